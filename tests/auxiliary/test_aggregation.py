"""Aggregators of many tasks: published vectors, identities, and what each of them promises."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gradbook.auxiliary.aggregation import AGGREGATORS, aggregate
from gradbook.auxiliary.aggregation.famo import Famo
from gradbook.auxiliary.aggregation.gramian import gramian
from gradbook.auxiliary.aggregation.min_norm import mgda
from gradbook.errors import InputError

# The example of TorchJD's tests of values (version 0.18): what its authors print for each method.
EXAMPLE = np.array([[-4.0, 1, 1], [6.0, 1, 1]])
PUBLISHED = {
    "mgda": [0, 1, 1],
    "pcgrad": [0.5848, 3.8012, 3.8012],
    "cagrad": [0.1835, 1.2041, 1.2041],
    "imtl_g": [0.0767, 1, 1],
    "aligned_mtl": [0.2133, 0.9673, 0.9673],
    "upgrad": [0.2929, 1.9004, 1.9004],
    "dualproj": [0.5563, 1.1109, 1.1109],
}
DETERMINISTIC = sorted(set(AGGREGATORS) - {"pcgrad", "graddrop", "random_weighting"})
NEVER_IN_CONFLICT = ["mgda", "upgrad", "dualproj", "nash_mtl"]


def direction(gradients, how, **options):
    rows = [np.asarray(row, np.float64) for row in gradients]
    return np.asarray(aggregate(rows, how, random=np.random.default_rng(0), **options), np.float64)


@st.composite
def hard(draw, tasks=None, independent=False):
    """Gradients built to be hard: parallel, opposed, zero, of very different scale, of low rank, unless independent."""
    random, count = np.random.default_rng(draw(st.integers(0, 10**6))), tasks or draw(st.integers(1, 5))
    rows = random.normal(size=(count, draw(st.integers(count if independent else 1, 6))))
    dependent = [] if independent else ["parallel", "opposed", "zero", "rank one"]
    kind = draw(st.sampled_from(["general", "scaled", *dependent]))
    if kind in ("parallel", "opposed"):
        rows[-1] = (2 if kind == "parallel" else -2) * rows[0]
    elif kind == "zero":
        rows[0] = 0
    elif kind == "scaled":
        rows *= 10.0 ** random.integers(-3, 4, (count, 1))
    elif kind == "rank one":
        rows = np.outer(random.normal(size=count), rows[0])
    return rows


@pytest.mark.parametrize(("how", "published"), PUBLISHED.items())
def test_vectors_that_others_print(how, published):
    assert direction(EXAMPLE, how) == pytest.approx(published, abs=1e-3)


@settings(max_examples=30)
@given(data=st.data())
@pytest.mark.parametrize("how", NEVER_IN_CONFLICT)
def test_no_loss_rises(how, data):
    rows = data.draw(hard(independent=how == "nash_mtl"))
    assume(how != "nash_mtl" or np.linalg.cond(rows @ rows.T) < 1e4)  # elsewhere there may be no bargain
    found = direction(rows, how)
    norms = np.linalg.norm(rows, axis=1)
    assert (rows @ found >= -1e-3 * norms * max(np.linalg.norm(found), 1e-6 * norms.max())).all()


@settings(max_examples=30)
@given(data=st.data())
@pytest.mark.parametrize("how", DETERMINISTIC)
def test_the_order_of_the_tasks_does_not_matter(how, data):
    sensitive = how in ("nash_mtl", "imtl_g", "aligned_mtl", "cagrad")
    rows = data.draw(hard(independent=sensitive))
    assume(not sensitive or np.linalg.cond(rows @ rows.T) < 1e6)
    scale = np.abs(rows).max() + 1e-30
    assert direction(rows[::-1], how) / scale == pytest.approx(direction(rows, how) / scale, abs=2e-3)


@settings(max_examples=30)
@given(rows=hard(), scales=st.lists(st.floats(0.1, 10), min_size=5, max_size=5))
@pytest.mark.parametrize("how", ["sum", "mean", "upgrad"])
def test_it_is_linear_in_a_positive_scaling_of_each_gradient(how, rows, scales):
    c, d = (np.array(list(order)[: len(rows)])[:, None] for order in (scales, scales[::-1]))
    parts = direction(c * rows, how) + direction(d * rows, how)
    assert parts == pytest.approx(direction((c + d) * rows, how), abs=2e-3 * np.abs(rows).max() * 20)


@settings(max_examples=30)
@given(rows=hard())
def test_the_shortest_vector_meets_its_conditions(rows):
    found = direction(rows, "mgda")
    assert (rows @ found >= found @ found - 1e-4 * np.abs(rows).max() ** 2 * rows.shape[1]).all()


@settings(max_examples=30)
@given(rows=hard(tasks=2))
def test_for_two_tasks_there_are_closed_forms(rows):
    u, v = rows
    assume(min(np.linalg.norm(u), np.linalg.norm(v)) > 0)
    scale = np.abs(rows).max()
    c = min(u @ v, 0)
    surgery = u - c * v / (v @ v) + v - c * u / (u @ u)
    assert direction(rows, "pcgrad") / scale == pytest.approx(surgery / scale, abs=1e-3)
    assert 2 * direction(rows, "upgrad") / scale == pytest.approx(surgery / scale, abs=1e-3)
    if (gap := (u - v) @ (u - v)) > 1e-6 * scale**2:
        alpha = np.clip((v - u) @ v / gap, 0, 1)
        assert direction(rows, "mgda") / scale == pytest.approx((alpha * u + (1 - alpha) * v) / scale, abs=1e-3)


@settings(max_examples=30)
@given(rows=hard())
def test_a_conflict_averse_step_of_no_radius_is_the_mean(rows):
    assert direction(rows, "cagrad", c=0.0) == pytest.approx(rows.mean(0), rel=1e-4, abs=1e-5 * np.abs(rows).max())


@settings(max_examples=30)
@given(seed=st.integers(0, 10**6), c=st.floats(0.05, 2))
def test_a_conflict_averse_step_ends_on_its_ball(seed, c):
    rows = np.random.default_rng(seed).normal(size=(3, 6))
    mean = rows.mean(0)
    assert np.linalg.norm(direction(rows, "cagrad", c=c) - mean) == pytest.approx(c * np.linalg.norm(mean), rel=1e-3)


@settings(max_examples=30)
@given(seed=st.integers(0, 10**6), scales=st.lists(st.floats(0.1, 10), min_size=3, max_size=3))
def test_the_bargain(seed, scales):
    rows = np.random.default_rng(seed).normal(size=(3, 8))
    found = direction(rows, "nash_mtl")
    assert found @ found == pytest.approx(3, rel=1e-4)
    assert direction(np.array(scales)[:, None] * rows, "nash_mtl") == pytest.approx(found, abs=1e-3)


@settings(max_examples=30)
@given(seed=st.integers(0, 10**6))
def test_projections_onto_all_gradients_are_equal(seed):
    rows = np.random.default_rng(seed).normal(size=(3, 8))
    found = direction(rows, "imtl_g")
    projections = rows @ found / np.linalg.norm(rows, axis=1)
    assert projections == pytest.approx(np.full(3, projections[0]), abs=1e-4 * np.linalg.norm(rows))


@settings(max_examples=30)
@given(seed=st.integers(0, 10**6))
def test_aligned_gradients_are_orthogonal_and_equally_long(seed):
    from gradbook.auxiliary.aggregation.aligned import aligned_mtl

    rows = np.random.default_rng(seed).normal(size=(3, 8))
    gram = rows @ rows.T
    values, vectors = np.linalg.eigh(gram)
    balance = np.sqrt(values[0]) * (vectors / np.sqrt(values)) @ vectors.T
    assert balance @ gram @ balance == pytest.approx(values[0] * np.eye(3), abs=1e-8)
    assert aligned_mtl(gram) == pytest.approx(balance.mean(1))


def test_dropped_signs_sum_up_on_average():
    rows = [np.array([3.0, -1.0, 0.0]), np.array([-1.0, -2.0, 0.0])]
    random = np.random.default_rng(0)
    drawn = np.array([np.asarray(aggregate(rows, "graddrop", random=random)) for _ in range(2000)])
    assert set(np.unique(drawn[:, 0])) == {-1.0, 3.0}
    assert drawn.mean(0) == pytest.approx([2, -3, 0], abs=0.2)


def test_random_weights_are_one_mth_on_average():
    gradients = [np.array([1.0, 0.0]), np.array([0.0, 1.0])]
    random = np.random.default_rng(0)
    drawn = np.array([np.asarray(aggregate(gradients, "random_weighting", random=random)) for _ in range(2000)])
    assert drawn.sum(1) == pytest.approx(1, abs=1e-6)
    assert drawn[:, 0].mean() == pytest.approx(0.5, abs=0.02)
    assert drawn[:, 0].std() == pytest.approx(0.2614, abs=0.01)


def test_variables_that_some_tasks_do_not_use():
    one, other = [tf.constant([1.0, 2.0]), None, None], [tf.constant([-1.0, 2.0]), tf.constant([3.0]), None]
    shared, own, unused = aggregate([one, other], "sum")
    assert shared.numpy().tolist() == [0.0, 4.0]
    assert own.numpy().tolist() == [3.0]
    assert unused is None
    assert gramian([one, other]).numpy().tolist() == [[5.0, 3.0], [3.0, 14.0], [1.0, 1.0]]


@pytest.mark.parametrize("how", sorted(AGGREGATORS))
def test_a_compiled_function_gives_the_same(how):
    rows = [tf.constant(row, tf.float32) for row in EXAMPLE]
    compiled = tf.function(lambda a, b: aggregate([a, b], how, random=np.random.default_rng(3)))
    eager = aggregate(rows, how, random=np.random.default_rng(3))
    assert compiled(*rows).numpy() == pytest.approx(eager.numpy(), abs=1e-6)


def test_a_compiled_function_drops_other_signs_each_time():
    rows = [tf.ones(100), -tf.ones(100)]
    compiled = tf.function(lambda: aggregate(rows, "graddrop", random=np.random.default_rng(0)))
    assert (compiled().numpy() != compiled().numpy()).any()


@settings(max_examples=30)
@given(rows=hard(tasks=2, independent=True), c=st.floats(0, 2))
def test_the_conflict_averse_step_of_two_tasks_is_that_of_many(rows, c):
    from gradbook.auxiliary.aggregation.cagrad import _of_many, _of_two

    gram = rows @ rows.T
    assume(np.linalg.cond(gram) < 1e6)
    scaled = gram / np.trace(gram)
    radius = c * np.sqrt(scaled.mean())

    def worth(w):
        return w @ scaled.mean(1) + radius * np.sqrt(w @ scaled @ w)

    assert worth(_of_two(scaled, radius)) <= worth(_of_many(scaled, radius)) + 1e-7


def test_what_is_not_finite_stays_so():
    for how in AGGREGATORS:
        for number in (np.nan, np.inf, -np.inf):
            assert np.isnan(np.asarray(aggregate([np.array([number]), np.array([1.0])], how))).all()


def test_gradients_of_embeddings_are_made_dense():
    sparse = tf.IndexedSlices(tf.ones((2, 3)), tf.constant([1, 1]), tf.constant([4, 3]))
    for how in DETERMINISTIC:
        found, expected = (aggregate([[one], [tf.ones((4, 3))]], how) for one in (sparse, tf.convert_to_tensor(sparse)))
        np.testing.assert_array_equal(found, expected)


def test_the_shortest_vector_of_many_gradients_of_unlike_sizes_is_found():
    random = np.random.default_rng(34)
    rows = random.normal(size=(12, 8)) * 10.0 ** random.integers(-4, 4, (12, 1))
    assert np.linalg.norm(mgda(rows @ rows.T) @ rows) < 1e-9


def random_rows(seed):
    return np.random.default_rng(seed).normal(size=(3, 6)).astype(np.float32)


@settings(max_examples=15)
@given(seed=st.integers(0, 10**6), exponent=st.integers(-110, 120))
@pytest.mark.parametrize("how", sorted(AGGREGATORS))
def test_a_factor_on_all_gradients_is_one_on_the_direction_whatever_single_precision_holds(how, seed, exponent):
    rows = random_rows(seed)
    assume(np.linalg.cond(rows) < 1e2)
    one, other = (
        aggregate([tf.constant(row) for row in scaled], how, random=np.random.default_rng(0)).numpy()
        for scaled in (rows, np.ldexp(rows, exponent))
    )
    degree = 0 if how == "nash_mtl" else 1
    np.testing.assert_allclose(np.ldexp(other, -degree * exponent), one, atol=1e-3 * np.abs(one).max())


@settings(max_examples=15)
@given(seed=st.integers(0, 10**6), exponents=st.lists(st.integers(-110, 110), min_size=3, max_size=3))
def test_the_bargain_is_the_same_however_far_norms_lie_apart(seed, exponents):
    rows = random_rows(seed)
    assume(np.linalg.cond(rows) < 1e2)
    apart = [tf.constant(np.ldexp(row, exponent)) for row, exponent in zip(rows, exponents, strict=True)]
    expected = direction(rows, "nash_mtl")
    np.testing.assert_allclose(aggregate(apart, "nash_mtl"), expected, atol=1e-3 * np.abs(expected).max())


@pytest.mark.parametrize("compiled", [False, True])
def test_products_of_ordinary_gradients_are_left_as_they_are_beside_one_of_zero_or_out_of_range(compiled):
    rows = [tf.constant(row) for row in random_rows(0)]

    def products(*rows):
        return gramian([[row] for row in rows])

    function = tf.function(products) if compiled else products
    ordinary = function(*rows).numpy()
    assert (ordinary[:3] == [[float(tf.reduce_sum(a * b)) for b in rows] for a in rows]).all()
    assert (ordinary[3] == 1).all()
    for factor in (0, 2.0**90):
        found = function(*rows[:2], factor * rows[2]).numpy()
        assert (found[:2, :2] == ordinary[:2, :2]).all()
        assert found[3, :2].tolist() == [1, 1] and np.log2(found[3, 2]) % 1 == 0
        small = factor / found[3, 2]
        assert found[2] == pytest.approx(ordinary[2] * np.array([1, 1, small]) * small)


def test_half_precision_is_computed_in_single():
    rows = [tf.constant([300.0, 1.0], tf.float16), tf.constant([-300.0, 1.0], tf.float16)]
    found = aggregate(rows, "upgrad")
    assert found.dtype == tf.float16
    assert found.numpy() == pytest.approx([0, 2], abs=1e-2)


@pytest.mark.parametrize("how", [how for how in DETERMINISTIC if how not in ("sum", "mean", "imtl_g", "aligned_mtl")])
def test_where_gradients_are_opposed_nothing_serves_all(how):
    rows = np.array([[0.6, 0.8], [-0.6, -0.8]])
    assert direction(rows, how) == pytest.approx([0, 0], abs=1e-6)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("c", [0.5, 2.0])
def test_a_conflict_averse_step_stays_on_its_ball_where_gradients_cancel(kind, c):
    u = np.random.default_rng(0).normal(size=1000)
    w = np.random.default_rng(1).normal(size=1000)
    for rows in ([u, -0.7 * u, w], [u, -u + 1e-4 * w, w], *([[u, -2 * u]] if c >= 1 else [])):
        rows = np.array(rows, kind)
        found, mean = np.asarray(aggregate(list(rows), "cagrad", c=c), float), rows.mean(0).astype(float)
        assert np.linalg.norm(found - mean) <= 1.001 * c * np.linalg.norm(mean) + 1e-3
        assert (rows @ found >= -1e-3 * np.linalg.norm(rows, axis=1) * np.linalg.norm(mean)).all()


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("factor", [2.0, -2.0, 1e-4, -1e-4])
def test_two_gradients_in_line_get_equal_projections(kind, factor):
    u = np.random.default_rng(0).normal(size=1000).astype(kind)
    found = np.asarray(aggregate([u, kind(factor) * u], "imtl_g"), float)
    first = abs(factor) / (1 + abs(factor))
    expected = (first + (1 - first) * factor) * u if factor > 0 else 0 * u
    assert found == pytest.approx(expected, abs=1e-5)


def test_projections_are_equal_however_far_norms_lie_apart():
    for exponents in ([0, 4], [-4, 0, 4], [0, -3, 2, 4]):
        rows = np.random.default_rng(2).normal(size=(len(exponents), 8)) * 10.0 ** np.array(exponents)[:, None]
        projections = rows @ direction(rows, "imtl_g") / np.linalg.norm(rows, axis=1)
        assert projections == pytest.approx(np.full(len(rows), projections[0]), rel=1e-4)


@pytest.mark.parametrize("seed", range(4))
def test_parallel_gradients_are_aligned_already_whatever_single_precision_leaves(seed):
    u = np.random.default_rng(seed).normal(size=1000).astype(np.float32)
    assert np.asarray(aggregate([u, np.float32(0.7) * u], "aligned_mtl")) == pytest.approx(0.85 * u, abs=1e-3)


def test_halves_keep_what_all_agree_on_and_do_not_overflow_on_the_way():
    ones = [tf.ones(20_000, tf.bfloat16)] * 2
    assert np.all(np.asarray(aggregate(ones, "graddrop", random=np.random.default_rng(0)), float) == 2)
    small = [tf.constant([1e-6, 2e-6], tf.float16), tf.constant([2e-6, -1e-6], tf.float16)]
    assert np.linalg.norm(np.asarray(aggregate(small, "nash_mtl"), float)) == pytest.approx(2**0.5, rel=0.05)


def test_three_gradients_that_cancel_have_no_bargain():
    angles = 2 * np.pi * np.arange(3) / 3
    assert direction(np.stack([np.cos(angles), np.sin(angles)], 1), "nash_mtl") == pytest.approx([0, 0], abs=1e-3)


def test_no_gradient_at_all_is_no_direction():
    for how in DETERMINISTIC:
        assert direction(np.zeros((3, 2)), how).tolist() == [0, 0]


def test_a_matrix_holds_the_gradients_as_rows():
    np.testing.assert_array_equal(aggregate(EXAMPLE, "upgrad"), aggregate(list(EXAMPLE), "upgrad"))


def test_an_option_out_of_range_is_refused_before_anything_is_compiled():
    with pytest.raises(InputError, match="c of cagrad must be 0 or more; received -1"):
        tf.function(lambda: aggregate([tf.ones(2)], "cagrad", c=-1), autograph=False).get_concrete_function()


@pytest.mark.parametrize(
    ("gradients", "how", "options", "sentence"),
    [
        ([], "sum", {}, "one task or more; received none"),
        (EXAMPLE, "upgrd", {}, "did you mean 'upgrad'"),
        (EXAMPLE, "cagrad", {"k": 1}, "unknown option of cagrad 'k'.*Known: c"),
        (EXAMPLE, "cagrad", {"c": -0.5}, "c of cagrad must be 0 or more; received -0.5"),
        (EXAMPLE, "cagrad", {"c": np.nan}, "c of cagrad must be 0 or more; received nan"),
        (EXAMPLE, "cagrad", {"c": "0.5"}, "c of cagrad must be 0 or more; received '0.5'"),
        ([[1.0], [1.0, 2.0]], "sum", {}, r"one entry for each variable; received \[1, 2\]"),
        (np.array([[-4, 1, 1], [6, 1, 1]]), "upgrad", {}, "must be of a floating type; received int64"),
        ([np.ones(3), np.ones(1)], "mean", {}, r"must be of one shape; received \(3,\) and \(1,\)"),
    ],
)
def test_what_cannot_be_combined_is_refused(gradients, how, options, sentence):
    with pytest.raises(InputError, match=sentence):
        aggregate(list(gradients), how, **options)


positive = st.lists(st.floats(0.01, 100), min_size=3, max_size=3).map(np.array)


@settings(max_examples=30)
@given(before=positive, after=positive)
def test_famo_weighs_what_fell_least_the_most(before, after):
    famo, now = Famo(), tf.constant(before, "float32")
    start = famo.init(3)
    weights = famo.weights(start, now).numpy()
    assert weights.sum() == pytest.approx(1, abs=1e-5)
    assert weights * before == pytest.approx(np.full(3, weights[0] * before[0]), rel=1e-4)
    logits = famo.update(start, now, tf.constant(after, "float32"))[0].numpy()
    fell = np.log(before) - np.log(after)
    assume(np.diff(np.sort(fell)).min() > 1e-3)
    assert logits[np.argmax(fell)] == pytest.approx(logits.min())  # Adam's first steps are of one size
    assert logits[np.argmin(fell)] == pytest.approx(logits.max())
    assert logits.max() > 0 > logits.min()


def test_famo_without_decay_moves_logits_along_the_simplex():
    famo = Famo(learning_rate=1e-3, decay=0.0, lowest=(-1.0, -2.0))
    losses = tf.constant([1.0, 1.0])
    state = famo.init(2)
    assert famo.weights(state, losses).numpy() == pytest.approx([0.6, 0.4])  # 1/2 and 1/3
    (logits, _) = famo.update(state, losses, losses - 0.5)
    assert float(tf.reduce_sum(logits)) == pytest.approx(0, abs=1e-6)

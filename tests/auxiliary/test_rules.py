"""The rules keep what their formulas say, under every policy, in every place a gradient may come from."""

import itertools
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gradbook.auxiliary import RULES, Rule, censor, cosine, register
from gradbook.errors import InputError
from gradbook.experiments.concept import Configuration

COSINE_RULES = ("unweighted_cosine", "weighted_cosine", "projection", "orthogonal", "parameterwise")
LINEAR_RULES = ("unweighted_cosine", "weighted_cosine", "projection", "orthogonal", "parameterwise", "multitask")

entries = st.floats(-8, 8, width=32).map(lambda x: round(x, 2))
lengths = st.integers(1, 6)
scales = st.floats(0.01, 100)


@st.composite
def two_gradients(draw, nonzero: bool = True) -> tuple[np.ndarray, np.ndarray]:
    shape = draw(lengths)
    u, v = (draw(arrays(np.float64, shape, elements=entries)) for _ in range(2))
    if nonzero and not v.any():
        v[0] = 1
    return u, v


def by_formula(u: np.ndarray, v: np.ndarray, rule: str) -> np.ndarray:
    """The rules as the papers write them."""
    dot, norms = u @ v, np.linalg.norm(u) * np.linalg.norm(v)
    if rule == "single_task":
        return 0 * u
    if rule == "multitask" or not norms:
        return u
    return {
        "unweighted_cosine": u if dot > 0 else 0 * u,
        "weighted_cosine": max(dot, 0) * u / norms,
        "projection": u - min(dot, 0) * v / (v @ v),
        "orthogonal": u - dot * v / (v @ v),
        "parameterwise": u * (np.sign(u * v) + 1) / 2,
    }[rule]


def kept(u: np.ndarray, v: np.ndarray, rule: str, **policies) -> np.ndarray:
    return censor(tf.constant(u), tf.constant(v), rule, **{"scope": "variable"} | policies).numpy()


@pytest.mark.parametrize("rule", RULES)
@given(two_gradients(nonzero=False))
def test_every_rule_is_its_formula(rule, gradients):
    u, v = gradients
    np.testing.assert_allclose(kept(u, v, rule), by_formula(u, v, rule), atol=1e-9)


@pytest.mark.parametrize("rule", ("projection", "orthogonal"))
@given(two_gradients())
def test_projection_and_orthogonal_never_oppose_the_main_gradient(rule, gradients):
    u, v = gradients
    assert kept(u, v, rule) @ v >= -1e-9 * (1 + np.linalg.norm(u) * np.linalg.norm(v))


@given(two_gradients())
def test_orthogonal_is_orthogonal(gradients):
    u, v = gradients
    assert abs(kept(u, v, "orthogonal") @ v) <= 1e-9 * (1 + np.linalg.norm(u) * np.linalg.norm(v))


@pytest.mark.parametrize("rule", RULES)
@given(two_gradients(), scales)
def test_the_norm_of_the_main_gradient_does_not_matter(rule, gradients, scale):
    u, v = gradients
    np.testing.assert_allclose(kept(u, scale * v, rule), kept(u, v, rule), atol=1e-9)


@pytest.mark.parametrize("rule", LINEAR_RULES)
@given(two_gradients(), scales)
def test_what_is_kept_grows_with_the_auxiliary_gradient(rule, gradients, scale):
    u, v = gradients
    np.testing.assert_allclose(kept(scale * u, v, rule), scale * kept(u, v, rule), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("rule", RULES)
@given(st.lists(two_gradients(), min_size=1, max_size=3))
def test_global_scope_is_the_rule_on_the_concatenated_vector(rule, variables):
    us, vs = zip(*variables, strict=True)
    pieces = censor([tf.constant(u) for u in us], [tf.constant(v) for v in vs], rule, scope="global")
    np.testing.assert_allclose(np.concatenate(pieces), kept(np.concatenate(us), np.concatenate(vs), rule), atol=1e-9)


@pytest.mark.parametrize("rule", RULES)
def test_variable_scope_is_the_rule_on_each_variable(rule):
    us, vs = [[1.0, 2.0], [3.0]], [[-1.0, 0.5], [-2.0]]
    pieces = censor([tf.constant(u) for u in us], [tf.constant(v) for v in vs], rule, scope="variable")
    for piece, u, v in zip(pieces, us, vs, strict=True):
        np.testing.assert_allclose(piece, by_formula(np.array(u), np.array(v), rule), rtol=1e-6)


def test_the_scopes_differ_where_one_variable_outvotes_another():
    u, v = [tf.constant([5.0]), tf.constant([1.0])], [tf.constant([1.0]), tf.constant([-1.0])]
    assert [k.numpy().tolist() for k in censor(u, v, "unweighted_cosine", scope="global")] == [[5.0], [1.0]]
    assert [k.numpy().tolist() for k in censor(u, v, "unweighted_cosine", scope="variable")] == [[5.0], [0.0]]


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_exact_ties_are_ties_in_any_precision(kind):
    random = np.random.default_rng(0)
    for _ in range(100):
        v = random.integers(-9, 10, 4)
        u = np.array([v[1], -v[0], v[3], -v[2]])  # u·v = 0
        assert not censor(u.astype(kind), v.astype(kind), "unweighted_cosine", scope="global", at_zero="zero").any()


def test_an_exact_tie_is_dropped_by_the_gate_and_kept_by_the_projections():
    u, v = np.array([3.0, 0.0]), np.array([0.0, 2.0])
    assert kept(u, v, "unweighted_cosine").tolist() == [0.0, 0.0]
    assert kept(u, v, "weighted_cosine").tolist() == [0.0, 0.0]
    assert kept(u, v, "projection").tolist() == kept(u, v, "orthogonal").tolist() == [3.0, 0.0]
    assert kept(u, v, "parameterwise").tolist() == [1.5, 0.0]


@pytest.mark.parametrize("rule", COSINE_RULES)
def test_a_main_gradient_of_zero_keeps_the_auxiliary_one_unless_told_otherwise(rule):
    u, nothing = np.array([3.0, -1.0]), np.zeros(2)
    assert kept(u, nothing, rule).tolist() == u.tolist()
    assert kept(u, nothing, rule, at_zero="zero").tolist() == [0.0, 0.0]
    assert kept(nothing, u, rule).tolist() == kept(nothing, nothing, rule).tolist() == [0.0, 0.0]


def test_rules_that_ignore_the_main_gradient_ignore_the_policy_for_zero():
    u, nothing = np.array([3.0, -1.0]), np.zeros(2)
    for policy in ("keep", "zero"):
        assert kept(u, nothing, "multitask", at_zero=policy).tolist() == u.tolist()
        assert kept(u, nothing, "single_task", at_zero=policy).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("rule", RULES)
def test_policies_for_zero_agree_where_nothing_is_zero(rule):
    u, v = np.array([3.0, -1.0]), np.array([1.0, 2.0])
    assert kept(u, v, rule, at_zero="zero").tolist() == kept(u, v, rule).tolist()


@pytest.mark.parametrize("scope", ("variable", "global"))
@pytest.mark.parametrize("rule", RULES)
def test_gradients_of_none_are_handled_variable_by_variable(rule, scope):
    u, v = tf.constant([1.0, 2.0]), tf.constant([-1.0, 1.0])
    alone = censor(u, v, rule, scope="variable").numpy()
    no_auxiliary, no_main, shared, neither = censor([None, u, u, None], [v, None, v, None], rule, scope=scope)
    assert no_auxiliary.numpy().tolist() == [0.0, 0.0]
    assert no_main.numpy().tolist() == ([0.0, 0.0] if rule == "single_task" else u.numpy().tolist())
    assert shared.numpy().tolist() == alone.tolist()
    assert neither is None


@pytest.mark.parametrize("dtype", (tf.float32, tf.float64))
@pytest.mark.parametrize("rule", RULES)
def test_inside_a_compiled_function_the_same_comes_out(rule, dtype):
    u, v = (tf.reshape(tf.constant(x, dtype), [2, 2]) for x in ([1, -2, 3, 0.5], [-1, 1, -0.5, 2]))
    eager = censor(u, v, rule, scope="variable")
    assert eager.dtype == dtype and eager.shape == u.shape
    for xla, at_zero in itertools.product((False, True), ("keep", "zero")):
        function = tf.function(partial(censor, rule=rule, scope="variable", at_zero=at_zero), jit_compile=xla)
        np.testing.assert_allclose(function(u, v), eager, rtol=1e-6)
    np.testing.assert_allclose(eager.numpy().ravel(), by_formula(*(x.numpy().ravel() for x in (u, v)), rule), rtol=1e-5)


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_and_a_copy_of_it_stand_for_its_name(rule):
    u, v = [tf.constant([1.0, -2.0]), tf.ones(2), tf.ones(2)], [tf.constant([-1.0, 0.5]), None, tf.zeros(2)]
    own = RULES[rule]
    copy = Rule(lambda u, v, over: own.formula(u, v, over), compares=own.compares)
    for scope, at_zero in itertools.product(("variable", "global"), ("keep", "zero")):
        named, *given = (censor(u, v, what, scope=scope, at_zero=at_zero) for what in (rule, own, copy))
        for kept in given:
            assert [k.numpy().tolist() for k in kept] == [k.numpy().tolist() for k in named]


@pytest.mark.parametrize("number", [float, tf.constant], ids=["floats", "tensors"])
def test_a_rule_of_one_s_own_keeps_what_its_numbers_say(number):
    u, v, nothing = tf.constant([3.0, -1.0]), tf.constant([1.0, 2.0]), tf.zeros(2)

    def own(u, v, over):
        return number(0.5), number(0.25)

    assert censor(u, v, own, scope="global").numpy().tolist() == [1.75, 0.0]
    assert tf.function(partial(censor, rule=own, scope="global"))(u, v).numpy().tolist() == [1.75, 0.0]
    assert censor(u, nothing, own, scope="global").numpy().tolist() == u.numpy().tolist()
    assert censor(u, nothing, own, scope="global", at_zero="zero").numpy().tolist() == [0.0, 0.0]


def test_a_rule_that_does_not_compare_keeps_the_same_with_and_without_a_main_gradient():
    u, half = tf.constant([3.0, -1.0]), Rule(lambda u, v, over: (0.5, 0.0), compares=False)
    for main in (tf.ones(2), tf.zeros(2), None):
        assert censor([u], [main], half, scope="global", at_zero="zero")[0].numpy().tolist() == [1.5, -0.5]


def test_a_rule_is_registered_where_it_is_defined():
    @register(compares=False)
    def a_quarter(u, v, over):
        """Keep u/4."""
        return 0.25, 0.0

    try:
        assert RULES["a_quarter"] is a_quarter
        assert Configuration(rule="a_quarter").rule == "a_quarter"
        assert censor(tf.ones(2), tf.ones(2), "a_quarter", scope="global").numpy().tolist() == [0.25, 0.25]
        assert (a_quarter.__name__, a_quarter.__doc__) == ("a_quarter", "Keep u/4.")
        assert a_quarter(None, None, None) == (0.25, 0.0)
    finally:
        del RULES["a_quarter"]


def test_a_rule_of_one_s_own_must_return_a_pair():
    with pytest.raises(InputError, match=r"must return the pair \(a, b\).*received 1.0"):
        censor(tf.ones(2), tf.ones(2), lambda u, v, over: 1.0, scope="variable")


def test_gradients_of_a_model_are_censored_where_they_arise():
    shared, head = tf.Variable([1.0, 2.0]), tf.Variable(3.0)

    @tf.function
    def step():
        with tf.GradientTape(persistent=True) as tape:
            main, auxiliary = tf.reduce_sum(shared**2), head * (shared[1] - shared[0])
        variables = [shared, head]
        return censor(tape.gradient(auxiliary, variables), tape.gradient(main, variables), "orthogonal", scope="global")

    trunk, private = step()
    assert abs(np.dot(trunk, [2.0, 4.0])) < 1e-5
    assert private.numpy() == 1.0


@given(two_gradients(nonzero=False))
def test_the_cosine_is_numpy_s_and_zero_where_it_is_undefined(gradients):
    u, v = gradients
    norms = np.linalg.norm(u) * np.linalg.norm(v)
    expected = u @ v / norms if norms else 0.0
    assert abs(float(cosine(tf.constant(u), tf.constant(v))) - expected) < 1e-9


def test_the_cosine_of_a_list_leaves_out_what_one_task_does_not_use():
    u = [tf.constant([1.0, 0.0]), tf.constant([7.0]), None]
    v = [tf.constant([1.0, 1.0]), None, tf.constant([7.0])]
    assert float(cosine(u, v)) == pytest.approx(2**-0.5)


@settings(max_examples=20)
@given(st.text(max_size=20).filter(lambda word: word not in RULES))
def test_an_unknown_rule_is_refused_with_the_known_ones(word):
    with pytest.raises(InputError, match="Known: single_task, multitask"):
        censor(tf.ones(2), tf.ones(2), word, scope="variable")


@pytest.mark.parametrize(
    ("arguments", "policies", "complaint"),
    [
        (([tf.ones(2)], [tf.ones(2), tf.ones(2)]), {}, "1 in all; received 2 gradients"),
        (([tf.ones(2)], tf.ones(2)), {}, "received a single tensor"),
        ((tf.ones(2), tf.ones(3)), {}, "one framework, dtype and shape"),
        ((tf.ones(2), tf.ones(2, tf.float64)), {}, "one framework, dtype and shape"),
        ((tf.ones(2, tf.int32), tf.ones(2, tf.int32)), {}, "floating"),
        ((tf.ones(2), tf.ones(2)), {"scope": "layer"}, "unknown scope 'layer'"),
        ((tf.ones(2), tf.ones(2)), {"at_zero": "nan"}, "unknown at_zero 'nan'"),
    ],
)
def test_gradients_and_policies_that_do_not_fit_are_refused(arguments, policies, complaint):
    with pytest.raises(InputError, match=complaint):
        censor(*arguments, "projection", **{"scope": "variable"} | policies)


def test_the_names_of_the_rules_come_without_tensorflow():
    code = (
        "import sys, gradbook.auxiliary as a; assert len(a.RULES) == 7; assert 'keras' not in sys.modules;"
        "import gradbook.experiments.concept as c; c.Configuration(rule='projection');"
        "assert not {'keras', 'tensorflow', 'sklearn'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


DTYPES = {"float16": 2e-3, "bfloat16": 2e-2, "float32": 2e-5, "float64": 1e-9}
"""By name, how far a kept entry may be off, relative to the largest one."""

exponents = st.integers(-18, 18)


@st.composite
def far_apart(draw) -> tuple[np.ndarray, np.ndarray]:
    """Gradients of any norms, whose directions leave no doubt about the sign of their product."""
    u, v = draw(two_gradients())
    u = np.where(u == 0, 1.0, u)
    if abs(u @ v) < 0.01 * np.linalg.norm(u) * np.linalg.norm(v):
        u = v.copy()
    return u, v


@pytest.mark.parametrize("scope", ("variable", "global"))
@pytest.mark.parametrize("rule", RULES)
@settings(max_examples=15)
@given(far_apart(), exponents, exponents)
def test_norms_that_float32_squares_to_infinity_or_zero_change_nothing(rule, scope, gradients, m, n):
    u, v = gradients
    given_u, given_v = ((x * 10.0**k).astype(np.float32) for x, k in ((u, m + 2), (v, n + 2)))
    expected = by_formula(given_u.astype(float), given_v.astype(float), rule)
    np.testing.assert_allclose(
        kept(given_u, given_v, rule, scope=scope), expected, atol=1e-4 * abs(given_u).max(), rtol=1e-5
    )
    true = (
        given_u.astype(float) @ given_v / np.linalg.norm(given_u.astype(float)) / np.linalg.norm(given_v.astype(float))
    )
    assert float(cosine(tf.constant(given_u), tf.constant(given_v))) == pytest.approx(true, abs=1e-4)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rule", RULES)
@settings(max_examples=15)
@given(far_apart(), st.sampled_from([1e-3, 1.0, 1e3]))
def test_every_precision_keeps_what_the_formula_says_in_its_own_dtype(rule, dtype, gradients, scale):
    u, v = (tf.cast(scale * x, dtype) for x in gradients)
    exact = [tf.cast(x, tf.float64).numpy() for x in (u, v)]
    found, expected = censor(u, v, rule, scope="global"), by_formula(*exact, rule)
    assert found.dtype == dtype and cosine(u, v).dtype == dtype
    size = max(abs(exact[0]).max(), 1e-6)
    np.testing.assert_allclose(tf.cast(found, tf.float64) / size, expected / size, atol=DTYPES[dtype])


@pytest.mark.parametrize("xla", (False, True))
def test_the_worst_norms_are_right_inside_compiled_functions_too(xla):
    u, v = tf.constant([1.0, 1.0]), tf.constant([-2e20, 1e20])
    compiled = tf.function(partial(censor, rule="projection", scope="global"), jit_compile=xla)
    np.testing.assert_allclose(compiled(u, v), [0.6, 1.2], rtol=1e-6)
    np.testing.assert_allclose(compiled([u, u], [v, v])[1], [0.6, 1.2], rtol=1e-6)
    np.testing.assert_allclose(compiled(u, v * 1e-45), u)  # all of v is below what float32 holds
    np.testing.assert_allclose(compiled(u, v / 1e20 * 1e-30), [0.6, 1.2], rtol=1e-6)


def test_a_rule_of_one_s_own_sees_ratios_of_products_that_would_overflow():
    def no_larger(u, v, over):
        return tf.sqrt(tf.minimum(over.vv / over.uu, 1.0)), 0.0

    u, v = tf.constant([0.0, -10e25]), tf.constant([3e25, 4e25])
    np.testing.assert_allclose(censor(u, v, no_larger, scope="global"), [0, -5e25], rtol=1e-6)


def test_sparse_gradients_are_made_dense():
    table, rows = tf.Variable(tf.ones((5, 2))), tf.constant([1, 1, 3])
    with tf.GradientTape(persistent=True) as tape:
        main, auxiliary = tf.reduce_sum(tf.gather(table, rows) ** 2), -tf.reduce_sum(tf.gather(table, rows))
    u, v = tape.gradient(auxiliary, table), tape.gradient(main, table)
    assert isinstance(u, tf.IndexedSlices)
    dense_u, dense_v = tf.convert_to_tensor(u), tf.convert_to_tensor(v)
    for rule in RULES:
        np.testing.assert_allclose(
            censor([u], [v], rule, scope="global")[0], censor(dense_u, dense_v, rule, scope="global")
        )
    assert float(cosine(u, v)) == pytest.approx(float(cosine(dense_u, dense_v)))


def test_the_cosine_of_tasks_that_share_nothing_is_zero():
    assert float(cosine([tf.ones(2), None], [None, tf.ones(2)])) == 0

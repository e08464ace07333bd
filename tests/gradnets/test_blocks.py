"""Where the blocks start, by closed forms; and the loop against blocks one by one."""

import inspect
from typing import get_args

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from gradbook.errors import InputError
from gradbook.gradnets import blocks
from gradbook.gradnets.blocks import (
    BLOCKS,
    Block,
    BlockName,
    cosine_map,
    deepnorm_constants,
    fixup_scale,
    merge,
    mollified_relu,
    survival,
    tailored_gain,
    tailored_slope,
    through,
    variance_growth,
)

LAYERS, WIDTH = 12, 16


def start(name, layers=LAYERS, width=WIDTH):
    """Return block, gates before training without coins, and initial weights."""
    block = BLOCKS[name](layers)
    weights = [tf.constant(array, tf.float32) for array in block.initial(width, np.random.default_rng(5))]
    return block, block.gates(tf.constant(0.0)), weights


def positive(rows=3, width=WIDTH):
    return tf.constant(np.random.default_rng(1).random((rows, width)) + 0.1, tf.float32)


def jacobian(block, gates, weights, x):
    """Return the Jacobian [width, width] of a stack at one x [1, width]: one row of a batch for each output."""
    rows = tf.repeat(x, x.shape[1], axis=0)
    with tf.GradientTape() as tape:
        tape.watch(rows)
        y = through(block)(rows, gates, *weights)
    return tape.gradient(y, rows, tf.eye(x.shape[1])).numpy()


def test_names_are_those_of_the_table_and_none_is_hidden_by_a_module():
    assert tuple(BLOCKS) == get_args(BlockName)
    assert [name for name in blocks.__all__ if inspect.ismodule(getattr(blocks, name))] == []


@pytest.mark.parametrize(
    ("name", "compiled"), [*((name, False) for name in BLOCKS), ("fixup", True), ("stochastic_depth", True)]
)
def test_the_loop_gives_outputs_and_gradients_of_blocks_one_by_one(name, compiled):
    block, _, weights = start(name, layers=4)
    draw = np.random.default_rng(2)
    weights = [w + 0.3 * tf.constant(draw.normal(size=w.shape), tf.float32) for w in weights]
    gates = block.gates(tf.constant(0.2), tf.constant(draw.random(4), tf.float32))
    x = tf.constant(draw.normal(size=(3, WIDTH)), tf.float32)

    def one_by_one(x, gates, *weights):
        for i in range(weights[0].shape[0]):
            x = block.function(x, gates[i], *[stack[i] for stack in weights])
        return x

    def gradients(function):
        with tf.GradientTape() as tape:
            tape.watch([x, *weights])
            y = function(x, gates, *weights)
            loss = tf.reduce_sum(tf.sin(y))
        return [y, *tape.gradient(loss, [x, *weights], unconnected_gradients="zero")]

    ours = tf.function(lambda: gradients(through(block)), jit_compile=compiled)()
    for got, expected in zip(ours, gradients(one_by_one), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["gradnet", "growth", "rezero", "skipinit", "fixup"])
def test_identity_at_the_start(name):
    x = positive(rows=1)
    block, gates, weights = start(name)
    np.testing.assert_array_equal(through(block)(x, gates, *weights), x)
    np.testing.assert_array_equal(jacobian(block, gates, weights, x), np.eye(WIDTH))


def test_a_rotation_at_the_start_of_grelus():
    jacobian_ = jacobian(*start("grelu"), positive(rows=1))
    np.testing.assert_allclose(jacobian_ @ jacobian_.T, np.eye(WIDTH), atol=1e-5)


def test_only_the_learnt_gates_of_rezero_have_a_gradient_at_first_and_it_is_a_scalar_product():
    block, gates, (w, b, alpha) = start("rezero")
    x = positive()
    with tf.GradientTape() as tape:
        tape.watch([w, b, alpha])
        loss = tf.reduce_sum(tf.sin(through(block)(x, gates, w, b, alpha)))
    dw, db, dalpha = tape.gradient(loss, [w, b, alpha])
    assert not np.any(dw) and not np.any(db)
    branches = tf.nn.relu(tf.einsum("bi,lio->lbo", x, w))
    np.testing.assert_allclose(dalpha, tf.reduce_sum(tf.cos(x) * branches, axis=(1, 2)), rtol=1e-5)


def test_deepnorm_starts_as_a_projection_where_branches_are_zero():
    block, gates, (w, *rest) = start("deepnorm")
    x = np.random.default_rng(3).normal(size=(1, WIDTH))
    x = (x - x.mean()) / x.std()
    expected = np.eye(WIDTH) - (np.ones((WIDTH, WIDTH)) + x.T @ x) / WIDTH
    found = jacobian(block, gates, [tf.zeros_like(w), *rest], tf.constant(x, tf.float32))
    np.testing.assert_allclose(found, expected, atol=1e-3)


@given(st.floats(0.5, 1e5))
def test_deepnorm_constants_balance(layers):
    alpha, beta = deepnorm_constants(layers)
    assert 4 * layers * beta**2 / alpha**2 == pytest.approx(1)


@pytest.mark.parametrize(
    ("layers", "alpha", "beta"), [(12, 2.2134, 0.3195), (100, 3.7606, 0.1880), (1000, 6.6874, 0.1057)]
)
def test_deepnorm_constants_are_those_of_the_reference(layers, alpha, beta):
    assert deepnorm_constants(layers) == pytest.approx((alpha, beta), abs=5e-5)


@given(st.integers(1, 2000))
def test_expected_depth_of_stochastic_depth(length):
    assert survival(length).sum() == pytest.approx((3 * length - 1) / 4)
    assert survival(length)[-1] == 0.5 and (np.diff(survival(length)) < 0).all()


def test_test_time_rule_of_stochastic_depth_is_the_mean_over_all_coins_of_a_linear_chain():
    """On a chain without activations the network at test time is the average of its 2ᴸ subnetworks."""
    blocks, w = 4, tf.constant(np.random.default_rng(4).normal(size=(4, 3, 3)) / 3, tf.float32)
    given_block = BLOCKS["stochastic_depth"](blocks)
    linear = Block(lambda x, gate, w: x + gate * (x @ w), given_block.initial, given_block.gates)
    p = given_block.gates(0.0).numpy()
    x, average = positive(2, 3), 0
    for chosen in np.ndindex(*[2] * blocks):
        gates = given_block.gates(0.0, tf.constant(np.where(chosen, 0.0, 1.0), tf.float32)).numpy()
        assert gates.tolist() == list(chosen)
        average += np.prod(np.where(gates, p, 1 - p)) * through(linear)(x, tf.constant(gates), w)
    np.testing.assert_allclose(average, through(linear)(x, tf.constant(p), w), rtol=1e-5)


def test_fixup_counts_blocks_and_its_classifier_of_two_layers_gives_a_root():
    assert fixup_scale(27) == pytest.approx(27**-0.5)
    w_1, w_2, numbers = BLOCKS["fixup"](54).initial(200, np.random.default_rng(0))
    assert len(w_1) == 27 and w_1.std() == pytest.approx(27**-0.5 * (2 / 200) ** 0.5, rel=0.01)
    assert not w_2.any() and (numbers == [0, 0, 0, 0, 1]).all()


@pytest.mark.parametrize("layers", [-2, 0, 1, 3, 55])
def test_fixup_refuses_matrices_that_make_no_blocks(layers):
    with pytest.raises(InputError, match=f"layers of fixup must be even and 2 or more; received {layers}"):
        BLOCKS["fixup"](layers)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: BLOCKS["growth"](3, end=0), r"end must be in \(0, 1\]; received 0"),
        (lambda: BLOCKS["growth"](3, overlap=1.5), r"overlap must be in \(0, 1\]; received 1.5"),
        (lambda: BLOCKS["vanillanet"](3, end=0), r"end must be in \(0, 1\]; received 0"),
        (lambda: BLOCKS["stochastic_depth"](3, last=-0.5), r"last must be in \[0, 1\]; received -0.5"),
        (lambda: mollified_relu(1.0, 0), "noise must be above 0; received 0"),
    ],
)
def test_numbers_out_of_range_are_refused(make, sentence):
    with pytest.raises(InputError, match=sentence):
        make()


@pytest.mark.parametrize("alpha", [1.0, 10**-0.5])
def test_variance_of_residual_branches(alpha):
    """Over many draws of the matrices the second moment grows by 1 + α² in each block, as De and Smith say."""
    draw, blocks, width = np.random.default_rng(0), 10, 400
    x = draw.normal(size=(300, width))
    moment = np.mean(x**2)
    for w in BLOCKS["scaled"](blocks).initial(width, draw)[0]:
        x = x + alpha * np.maximum(x, 0) @ w
    assert np.mean(x**2) / moment == pytest.approx(variance_growth(blocks, alpha), rel=0.15)


def reference(c, f, shortcut=0.6):
    """Return the largest cosine of a ResNet-101 and its branches, blocks of three layers."""
    branch = f(f(f(c)))
    for length in (3, 4, 23, 3):
        for place in range(length):
            skip = f(c) if place == 0 else c
            c = shortcut**2 * skip + (1 - shortcut**2) * f(f(f(c)))
    return max(f(c), branch)


def test_the_tailored_slope_of_the_reference():
    slope = tailored_slope(reference, 0.75)
    assert slope == pytest.approx(0.6291800290346146, abs=1e-9)
    assert tailored_gain(slope) == pytest.approx(1.196996549778802, abs=1e-9)


@given(st.floats(-1, 1), st.floats(0, 1))
def test_the_cosine_map_is_that_of_normal_variables_and_never_falls(c, slope):
    assert cosine_map(1.0, slope) == pytest.approx(1)
    assert cosine_map(c, 1.0) == pytest.approx(c, abs=1e-12)
    assert cosine_map(c, slope) >= c - 1e-12


@pytest.mark.parametrize("slope", [0.0, 0.4])
def test_the_cosine_map_by_sampling(slope):
    draw, c = np.random.default_rng(0), 0.3
    u = draw.normal(size=400_000)
    v = c * u + np.sqrt(1 - c**2) * draw.normal(size=u.size)
    f = tailored_gain(slope) * np.maximum([u, v], slope * np.array([u, v]))
    assert np.mean(f[0] ** 2) == pytest.approx(1, abs=0.02)
    assert np.mean(f[0] * f[1]) == pytest.approx(cosine_map(c, slope), abs=0.01)


@pytest.mark.parametrize("eta", [0.0, 1.0, -1.0])
def test_a_cosine_that_no_slope_gives_is_refused(eta):
    with pytest.raises(InputError, match="eta must be in"):
        tailored_slope(lambda c, f: f(c), eta)


def test_a_network_too_shallow_for_the_cosine_keeps_its_relus():
    assert tailored_slope(lambda c, f: f(c), 0.9) == 0


def test_tailored_layers_keep_the_norm_of_gradients():
    """On average over inputs and matrices the squared norm below twelve layers is that above."""
    block, gates, weights = start("tailored", width=128)
    x = tf.constant(np.random.default_rng(6).normal(size=(200, 128)), tf.float32)
    above = tf.constant(np.random.default_rng(7).normal(size=(200, 128)), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = through(block)(x, gates, *weights)
    below = tape.gradient(y, x, above)
    assert float(tf.reduce_sum(below**2) / tf.reduce_sum(above**2)) == pytest.approx(1, abs=0.1)


def test_masks_of_growth_open_one_after_the_other():
    gates = BLOCKS["growth"](LAYERS).gates
    assert not np.any(gates(tf.constant(0.0)))
    np.testing.assert_array_equal(gates(tf.constant(0.5)), 1)
    half = np.asarray(gates(tf.constant(0.25)))
    assert half[0] == 1 and half[-1] == 0 and (np.diff(half) <= 0).all()


def test_layers_of_vanillanet_that_became_linear_can_be_merged():
    block, _, (w, b) = start("vanillanet", layers=4)
    b = b + 0.1
    x = positive()
    deep = through(block)(x, block.gates(tf.constant(1.0)), w, b)
    for i in (0, 2):
        matrix, bias = merge((w[i], b[i]), (w[i + 1], b[i + 1]))
        x = tf.nn.relu(x @ matrix + bias)
    np.testing.assert_allclose(x, deep, rtol=1e-4, atol=1e-5)


@given(st.floats(-5, 5))
def test_the_mollified_relu_is_between_a_relu_and_a_line(x):
    assert float(mollified_relu(np.float64(x), 1e-3)) == pytest.approx(max(x, 0), abs=1e-3)
    line = x / 2 + 1000 / np.sqrt(2 * np.pi)
    assert float(mollified_relu(np.float64(x), 1000.0)) == pytest.approx(line, rel=1e-4)


def test_the_mollified_relu_is_a_mean_over_noise():
    noise = np.random.default_rng(0).normal(size=400_000)
    assert float(mollified_relu(0.7, 2.0)) == pytest.approx(np.maximum(0.7 + 2 * noise, 0).mean(), abs=0.01)

"""The one Adam and the one gradient descent: identities that hold for any weights and gradients."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import ops

from gradbook.errors import InputError
from gradbook.optimizers import Adagrad, Adam, GradientDescent

SHAPES = [(3, 2), (2,), (1, 2, 2)]
each = pytest.mark.parametrize("optimizer", [Adam(), Adagrad(), GradientDescent()])


def draw(seed: int) -> list:
    """Standard normal tensors of several shapes, float32."""
    random = np.random.default_rng(seed)
    return [ops.convert_to_tensor(random.standard_normal(shape), "float32") for shape in SHAPES]


def flat(weights, state) -> list[np.ndarray]:
    """Everything that an update changes, as arrays."""
    step, *moments = state or (0.0, (), ())
    return [ops.convert_to_numpy(one) for one in [*weights, step, *(tensor for part in moments for tensor in part)]]


@pytest.mark.parametrize("choices", [{}, {"beta_1": 0.5, "beta_2": 0.99, "epsilon": 1e-3}])
def test_adam_takes_the_steps_of_keras(choices):
    weights, adam = draw(0), Adam(**choices)
    variables = [keras.Variable(w) for w in weights]
    theirs, state = keras.optimizers.Adam(0.03, **choices), adam.init(weights)
    for step in range(6):
        gradients = draw(step + 1)
        weights, state = adam.update(weights, gradients, state, 0.03)
        theirs.apply(gradients, variables)
    for mine, variable in zip(weights, variables, strict=True):
        np.testing.assert_allclose(mine, variable, rtol=1e-5, atol=1e-6)


def test_adagrad_takes_the_steps_of_keras():
    weights, adagrad = draw(0), Adagrad()
    variables = [keras.Variable(weight) for weight in weights]
    reference = keras.optimizers.Adagrad(0.05, initial_accumulator_value=0, epsilon=1e-16)
    state = adagrad.init(weights)
    for seed in range(1, 6):
        gradients = draw(seed)
        weights, state = adagrad.update(weights, gradients, state, 0.05)
        reference.apply(gradients, variables)
    for weight, variable in zip(weights, variables, strict=True):
        np.testing.assert_allclose(ops.convert_to_numpy(weight), ops.convert_to_numpy(variable), rtol=1e-5)


def test_descent_takes_the_steps_of_keras():
    weights, gradients = draw(0), draw(1)
    variables = [keras.Variable(w) for w in weights]
    keras.optimizers.SGD(0.03).apply(gradients, variables)
    moved, _ = GradientDescent().update(weights, gradients, (), 0.03)
    for mine, variable in zip(moved, variables, strict=True):
        np.testing.assert_array_equal(mine, variable)


@given(st.floats(1e-3, 1e3), st.floats(1e-6, 1.0))
def test_the_first_step_of_adam_is_the_learning_rate_whatever_the_gradient_s_norm(size, learning_rate):
    gradients = [ops.where(g < 0, -size, size) for g in draw(3)]
    weights = [ops.zeros_like(g) for g in gradients]
    moved, _ = Adam(epsilon=1e-12).update(weights, gradients, Adam().init(weights), learning_rate)
    for w, g in zip(moved, gradients, strict=True):
        np.testing.assert_allclose(w, -learning_rate * ops.sign(g), rtol=1e-4)


@each
def test_a_mask_of_zero_leaves_everything_as_it_was(optimizer):
    weights = draw(0)
    weights, state = optimizer.update(weights, draw(1), optimizer.init(weights), 0.1)
    masked = optimizer.update(weights, draw(2), state, 0.1, mask=0.0)
    for after, before in zip(flat(*masked), flat(weights, state), strict=True):
        np.testing.assert_array_equal(after, before)
    again = optimizer.update(masked[0], draw(3), masked[1], 0.1)
    for after, expected in zip(flat(*again), flat(*optimizer.update(weights, draw(3), state, 0.1)), strict=True):
        np.testing.assert_array_equal(after, expected)


@pytest.mark.parametrize("optimizer", [Adam(), Adagrad()])
@pytest.mark.parametrize(
    "kinds", [["float16"], ["bfloat16"], ["float32", "float16"], ["float32", "float64"], ["int32"]]
)
def test_weights_too_coarse_for_the_state_or_of_two_types_are_refused(optimizer, kinds):
    weights = [ops.zeros(2, kind) for kind in kinds]
    with pytest.raises(InputError, match=f"weights must all be float32 or all float64; received .*{kinds[-1]}"):
        optimizer.init(weights)


def test_a_block_without_weights_has_a_state_too():
    optimizer = Adam()
    assert optimizer.update([], [], optimizer.init([]), learning_rate=0.1)[0] == []


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Adam(beta_1=1.0), r"beta_1 must be in \[0, 1\); received 1.0"),
        (lambda: Adam(beta_2=-0.1), r"beta_2 must be in \[0, 1\); received -0.1"),
        (lambda: Adam(epsilon=0), "epsilon must be above 0; received 0"),
        (lambda: Adagrad(epsilon=0), "epsilon must be above 0; received 0"),
    ],
)
def test_numbers_that_would_divide_by_zero_are_refused(make, sentence):
    with pytest.raises(InputError, match=sentence):
        make()

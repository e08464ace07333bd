"""What is proved for linear networks: the closed form, and where deep linear ones end."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st

from gradbook.synthetic.linear import deep_linear, exact_critic, exact_predictor, least_squares, teacher
from gradbook.synthetic.predictors import Critic
from gradbook.synthetic.settings import Settings
from gradbook.synthetic.step import Step


def descend(chain, x, y, settings, steps):
    """The state after full batches of gradient descent, compiled, and the losses on the way."""
    step = Step(chain, settings.tensors())

    @tf.function(jit_compile=True, autograph=False)
    def run(state):
        def body(i, state, losses):
            state, passes, _ = step(state, x, y, tf.ones([len(chain.blocks)]), i)
            return i + 1, state, tf.tensor_scatter_nd_update(losses, [[i]], [passes.blocks[-1].output])

        return tf.while_loop(lambda i, *_: i < steps, body, (tf.constant(0), state, tf.zeros([steps])))[1:]

    return run(chain.state())


@given(st.integers(0, 10_000), st.integers(1, 5), st.integers(1, 4))
@profile(max_examples=25, deadline=None)
def test_the_exact_predictor_and_the_exact_critic_are_the_gradient_of_the_loss(seed, units, outputs):
    random = np.random.default_rng(seed)
    readout, h, y = (random.standard_normal(shape) for shape in [(units, outputs), (6, units), (6, outputs)])
    a, b = exact_predictor(readout)
    gradient = (h @ readout - y) @ readout.T
    np.testing.assert_allclose(h @ a + y @ b, gradient, atol=1e-9)
    form = exact_critic(readout)
    loss = np.sum((np.concatenate([h, y], 1) @ form) ** 2, axis=1) / 2
    np.testing.assert_allclose(loss, np.sum((h @ readout - y) ** 2, axis=1) / 2, atol=1e-9)


def test_a_critic_is_differentiated():
    random = np.random.default_rng(0)
    h, y = (tf.constant(random.standard_normal([6, n]), tf.float32) for n in (4, 2))
    readout = random.standard_normal([4, 2]).astype("float32")
    critic = Critic(2)
    critic(h, y)
    critic.set_weights([exact_critic(readout)])
    np.testing.assert_allclose(
        critic(h, y), (h @ readout.astype("f") - y) @ readout.T.astype("f"), rtol=1e-4, atol=1e-4
    )


def test_training_reaches_the_closed_form():
    keras.utils.set_random_seed(0)
    chain = deep_linear([4, 3, 2])
    x, y = (tf.constant(part) for part in teacher(64, [4, 2], noise=0.5, random=np.random.default_rng(0)))
    frozen = Settings(learning_rate=0.0, predictor_learning_rate=0.3, reduction="mean", divide_by_loss=False)
    state, _ = descend(chain, x, y, frozen, 4000)
    kernel, bias = (w.numpy() for w in state.gradient_predictors[0].weights)
    a, b = exact_predictor(state.blocks[1].weights[0].numpy())
    np.testing.assert_allclose(kernel[:3], a, atol=1e-3)
    np.testing.assert_allclose(kernel[3:], b, atol=1e-3)
    np.testing.assert_allclose(bias, 0, atol=1e-3)


@pytest.mark.parametrize("critic", [False, True])
@pytest.mark.parametrize("widths", [[4, 3, 2], [4, 4, 4, 2]])
def test_deep_linear_networks_reach_the_least_squares_loss_on_predicted_gradients(widths, critic):
    keras.utils.set_random_seed(1)
    chain = deep_linear(widths, critic=critic)
    x, y = teacher(64, [widths[0], widths[-1]], noise=0.3, random=np.random.default_rng(1))
    settings = Settings(learning_rate=1e-3, predictor_learning_rate=0.1, reduction="mean", divide_by_loss=False)
    _, losses = descend(chain, tf.constant(x), tf.constant(y), settings, 6000)
    best = least_squares(x, y)
    assert best * (1 - 1e-4) <= losses[-1] < 1.01 * best
    assert losses[0] > 1.5 * best

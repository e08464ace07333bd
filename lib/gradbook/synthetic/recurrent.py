"""Truncated backpropagation through time, extended by a synthetic gradient at the end of each window.

The windows of a recurrent network are blocks of a chain that share their weights, each with a loss of its own; between
them the state is the interface. So λ = 1 is full backpropagation through time, and a predictor that never learns
leaves it truncated (Jaderberg et al. 2016, section 3.1).
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from gradbook.errors import InputError
from gradbook.optimizers import Adam
from gradbook.seeds import generator
from gradbook.synthetic.chain import Learner
from gradbook.synthetic.messages import messages, predictor_loss
from gradbook.synthetic.predictors import SyntheticGradient
from gradbook.synthetic.settings import Policy
from gradbook.synthetic.step import Choices, Form


class Recurrent(NamedTuple):
    """A recurrent cell, what reads its state, and what predicts the gradient there."""

    cell: keras.layers.GRUCell
    readout: keras.layers.Dense
    gradient: SyntheticGradient


def network(bits: int, units: int) -> Recurrent:
    """A gated recurrent unit, a linear readout of ``bits`` logits, and a predictor with one hidden layer."""
    parts = Recurrent(keras.layers.GRUCell(units), keras.layers.Dense(bits), SyntheticGradient([units]))
    for part, width in zip(parts, (bits + 1, units, units), strict=True):
        part.build((None, width))
    return parts


def copy_task(length: int, bits: int, batch_size: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Random bits to be repeated after the last of them was seen.

    Returns:
        Inputs [2 length, batch, bits + 1]: the bits, then zeros with a 1 in the last place, "now you". Targets
        [2 length, batch, bits]: NaN while listening, then the bits. Both float32.

    >>> x, y = copy_task(2, 1, 1, np.random.default_rng(0))
    >>> x[..., 0].ravel(), y.ravel()
    (array([1., 1., 0., 0.], dtype=float32), array([nan, nan,  1.,  1.], dtype=float32))
    """
    said = random.integers(0, 2, (length, batch_size, bits)).astype(np.float32)
    x = np.zeros([2 * length, batch_size, bits + 1], np.float32)
    x[:length, :, :bits] = said
    x[length:, :, bits] = 1
    return x, np.concatenate([np.full_like(said, np.nan), said])


def train_copy(
    policies: Mapping[str, Policy],
    *,
    seeds: Sequence[int],
    length: int = 4,
    window: int = 2,
    bits: int = 2,
    units: int = 32,
    batch_size: int = 32,
    steps: int = 2000,
    every: int = 100,
) -> dict[str, np.ndarray]:
    """Train on the copy task under each policy from each seed; one update a batch of sequences.

    Args:
        policies: mixing, rates, reduction and divide_by_loss are used.
        seeds: of weights and sequences.
        length: of what is to be copied; sequences are twice as long.
        window: steps that backpropagation goes through, a divisor of twice the length.
        bits: repeated at each step.
        units: of the recurrent layer.
        batch_size, steps, every: of training, as in `gradbook.synthetic.train`.

    Returns:
        By policy, [seeds, steps / every]: the mean loss in nats a bit since the number before; guessing costs log 2.

    Raises:
        InputError: the window does not divide the sequences.
    """
    if window < 1 or 2 * length % window:
        raise InputError(f"window must divide the sequences' length of {2 * length}; received {window}.")
    parts = network(bits, units)
    advance = tf.function(partial(_advance, parts, window), jit_compile=True, autograph=False)

    def curve(policy: Policy, seed: int) -> list[float]:
        keras.utils.set_random_seed(seed)
        learners = [_learner(part) for part in network(bits, units)]
        random, losses = generator(seed, "sequences"), []
        for _ in range(0, steps, every):
            drawn = [copy_task(length, bits, batch_size, random) for _ in range(every)]
            x, y = (tf.constant(np.stack(part)) for part in zip(*drawn, strict=True))
            learners, loss = advance(learners, x, y, Choices.of(policy), Form.of(policy))
            losses.append(float(loss))
        return losses

    return {name: np.array([curve(policy, seed) for seed in seeds]) for name, policy in policies.items()}


def _learner(part: keras.Layer) -> Learner:
    weights = [tf.convert_to_tensor(v.value) for v in part.trainable_variables]
    return Learner(weights, [], Adam().init(weights))


def _advance(
    parts: Recurrent, window: int, learners: list[Learner], x: tf.Tensor, y: tf.Tensor, choices: Choices, form: Form
) -> tuple[list[Learner], tf.Tensor]:
    """A step on each of the batches x [steps, time, batch, bits + 1], and the mean loss."""

    def body(i: tf.Tensor, learners: list[Learner], total: tf.Tensor) -> tuple:
        learners, loss = _step(parts, window, learners, x[i], y[i], choices, form)
        return i + 1, learners, total + loss

    start = (tf.constant(0), learners, tf.zeros([]))
    _, learners, total = tf.while_loop(lambda i, *_: i < x.shape[0], body, start)
    return learners, total / x.shape[0]


def _step(
    parts: Recurrent, window: int, learners: list[Learner], x: tf.Tensor, y: tf.Tensor, choices: Choices, form: Form
) -> tuple[list[Learner], tf.Tensor]:
    cell, readout, predictor = (learner.weights for learner in learners)
    windows, state = [], tf.zeros([x.shape[1], parts.cell.units])
    for at in range(0, x.shape[0], window):
        windows.append(_unroll(parts, cell, readout, state, x, y, range(at, at + window)))
        state = windows[-1].end
    loss = tf.add_n([one.loss for one in windows])

    with tf.GradientTape() as tape:
        tape.watch(predictor)
        said = [parts.gradient.stateless_call(predictor, [], one.end)[0] for one in windows[:-1]]
        with tape.stop_recording():
            backs = [one.back for one in windows[:-1]] + [lambda _: windows[-1].back(tf.zeros_like(state))]
            heard, carried, _ = messages(said, backs, choices.mixing)
        errors = [predictor_loss(*pair, loss, **form.error) for pair in zip(said, carried, strict=True)]
        error = sum(errors, tf.zeros([]))

    messages_in = [*heard, tf.zeros_like(state)]
    moved = [one.gradients(message) for one, message in zip(windows, messages_in, strict=True)]
    moved = [tf.add_n(parts) for parts in zip(*moved, strict=True)]
    gradients = [moved[: len(cell)], moved[len(cell) :], tape.gradient(error, predictor, unconnected_gradients="zero")]
    rates = [choices.learning_rate, choices.learning_rate, choices.predictor_learning_rate]
    return [_moved(*one) for one in zip(learners, gradients, rates, strict=True)], loss


class _Window(NamedTuple):
    """A stretch of time that backpropagation goes through."""

    start: tf.Tensor
    end: tf.Tensor
    loss: tf.Tensor
    weights: list[tf.Tensor]
    tape: tf.GradientTape

    def back(self, message: tf.Tensor) -> tf.Tensor:
        """The gradient at the start, of the window's own loss and of what is to come after its end."""
        return self.tape.gradient([self.loss, self.end], self.start, [tf.ones([]), message])

    def gradients(self, message: tf.Tensor) -> list[tf.Tensor]:
        """The same of the weights."""
        ends, messages = [self.loss, self.end], [tf.ones([]), message]
        return self.tape.gradient(ends, self.weights, messages, unconnected_gradients="zero")


def _unroll(
    parts: Recurrent,
    cell: list[tf.Tensor],
    readout: list[tf.Tensor],
    state: tf.Tensor,
    x: tf.Tensor,
    y: tf.Tensor,
    times: range,
) -> _Window:
    """Run the cell over a window; its loss is its share of the mean over all bits that are to be said."""
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([state, *cell, *readout])
        end, loss = state, tf.zeros([])
        for t in times:
            (end, _), _ = parts.cell.stateless_call(cell, parts.cell.non_trainable_variables, x[t], [end])
            if 2 * t >= x.shape[0]:
                logits, _ = parts.readout.stateless_call(readout, [], end)
                bits = tf.nn.sigmoid_cross_entropy_with_logits(y[t], logits)
                loss += 2 * tf.reduce_mean(bits) / x.shape[0]
    return _Window(state, end, loss, [*cell, *readout], tape)


def _moved(learner: Learner, gradients: list[tf.Tensor], rate: tf.Tensor) -> Learner:
    weights, slots = Adam().update(learner.weights, gradients, learner.slots, rate, 1.0)
    return Learner(weights, [], slots)

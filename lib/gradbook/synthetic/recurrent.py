"""Truncated backpropagation through time, extended by a synthetic gradient at the end of each window.

The windows of a recurrent network are blocks of a chain that share their weights, each with a loss of its own; between
them the state is the interface. So λ = 1 is full backpropagation through time, and a predictor that never learns
leaves it truncated (Jaderberg et al. 2016, section 3.1).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from gradbook.errors import InputError
from gradbook.optimizers import Adam, Optimizer
from gradbook.seeds import generator
from gradbook.synthetic.chain import Learner, Part
from gradbook.synthetic.messages import predictor_loss, propagate
from gradbook.synthetic.predictors import SyntheticGradient
from gradbook.synthetic.settings import Settings, TensorSettings


class Recurrent(NamedTuple, Generic[Part]):
    """Whatever belongs to a recurrent cell, to what reads its state, and to what predicts the gradient there."""

    cell: Part
    readout: Part
    gradient_predictor: Part


def network(bits: int, units: int) -> Recurrent[keras.Layer]:
    """Return a gated recurrent unit, a linear readout of ``bits`` logits, and a predictor with one hidden layer."""
    layers = Recurrent(keras.layers.GRUCell(units), keras.layers.Dense(bits), SyntheticGradient([units]))
    for layer, width in zip(layers, (bits + 1, units, units), strict=True):
        layer.build((None, width))
    return layers


def copy_task(length: int, bits: int, batch_size: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw bits that are to be repeated after the last of them was seen.

    Returns:
        Inputs [2 length, batch, bits + 1]: the bits, then zeros with a 1 in the last place, "now you". Targets
        [2 length, batch, bits]: NaN while bits come in, then the bits. Both float32.

    >>> x, y = copy_task(2, 1, 1, np.random.default_rng(0))
    >>> x[..., 0].ravel(), y.ravel()
    (array([1., 1., 0., 0.], dtype=float32), array([nan, nan,  1.,  1.], dtype=float32))
    """
    shown = random.integers(0, 2, (length, batch_size, bits)).astype(np.float32)
    x = np.zeros([2 * length, batch_size, bits + 1], np.float32)
    x[:length, :, :bits] = shown
    x[length:, :, bits] = 1
    return x, np.concatenate([np.full_like(shown, np.nan), shown])


def train_copy(
    settings: Mapping[str, Settings],
    *,
    seeds: Sequence[int],
    length: int = 4,
    window: int = 2,
    bits: int = 2,
    units: int = 32,
    batch_size: int = 32,
    steps: int = 2000,
    every: int = 100,
    optimizer: Optimizer | None = None,
) -> dict[str, np.ndarray]:
    """Train on the copy task with each choice of settings from each seed; one update for each batch of sequences.

    Args:
        settings: mixing, learning rates, reduction and divide_by_loss are used.
        seeds: of weights and sequences.
        length: of what is to be copied; sequences are twice as long.
        window: steps that backpropagation goes through, a divisor of twice the length.
        bits: repeated at each step.
        units: of the recurrent layer.
        batch_size, steps, every: of training, at least 1, as in `gradbook.synthetic.train`.
        optimizer: Adam by default.

    Returns:
        By settings, [seeds, logs]: the mean loss in nats per bit since the log before; the chance level is log 2.

    Raises:
        InputError: a number out of its range, or a window that does not divide the sequences.
    """
    sizes = {"length": length, "bits": bits, "units": units, "batch_size": batch_size, "steps": steps, "every": every}
    for name, value in sizes.items():
        if value < 1:
            raise InputError(f"{name} must be at least 1; received {value}.")
    if window < 1 or 2 * length % window:
        raise InputError(f"window must divide the sequences' length of {2 * length}; received {window}.")
    loop = _Loop(network(bits, units), window, optimizer or Adam())
    advance = tf.function(loop.advance, jit_compile=True, autograph=False)

    def curve(own: Settings, seed: int) -> list[float]:
        keras.utils.set_random_seed(seed)
        learners, losses = loop.learners(network(bits, units)), []
        random = generator(seed, "sequences")
        for time in range(0, steps, every):
            sequences = [copy_task(length, bits, batch_size, random) for _ in range(min(every, steps - time))]
            x, y = (tf.constant(np.stack(part)) for part in zip(*sequences, strict=True))
            learners, loss = advance(own.tensors(), learners, x, y)
            losses.append(float(loss))
        return losses

    return {name: np.array([curve(own, seed) for seed in seeds]) for name, own in settings.items()}


class _Window(NamedTuple):
    """A stretch of time that backpropagation goes through."""

    start: tf.Tensor
    end: tf.Tensor
    loss: tf.Tensor
    weights: list[tf.Tensor]
    tape: tf.GradientTape

    def vjp(self, message: tf.Tensor) -> tf.Tensor:
        """Return the gradient at the start, of the window's own loss and of what is to come after its end."""
        return self.tape.gradient([self.loss, self.end], self.start, [tf.ones([]), message])

    def weight_gradients(self, message: tf.Tensor) -> list[tf.Tensor]:
        """Return the same of the weights."""
        ends, messages = [self.loss, self.end], [tf.ones([]), message]
        return self.tape.gradient(ends, self.weights, messages, unconnected_gradients="zero")


@dataclass(frozen=True)
class _Loop:
    """Training of a recurrent network, window by window.

    Sequences x are [time, batch, bits + 1], their targets y [time, batch, bits].
    """

    layers: Recurrent[keras.Layer]
    window: int
    optimizer: Optimizer

    def learners(self, layers: Recurrent[keras.Layer]) -> Recurrent[Learner]:
        """Return the weights of some layers, and fresh states of the optimizer."""
        weights = [[tf.convert_to_tensor(v.value) for v in layer.trainable_variables] for layer in layers]
        return Recurrent(*(Learner(own, [], self.optimizer.init(own)) for own in weights))

    def advance(
        self, settings: TensorSettings, learners: Recurrent[Learner], x: tf.Tensor, y: tf.Tensor
    ) -> tuple[Recurrent[Learner], tf.Tensor]:
        """Take a step on each of the batches, stacked along a first axis; return the mean loss too."""

        def body(i: tf.Tensor, learners: Recurrent[Learner], total: tf.Tensor) -> tuple:
            learners, loss = self.step(settings, learners, x[i], y[i])
            return i + 1, learners, total + loss

        start = (tf.constant(0), learners, tf.zeros([]))
        _, learners, total = tf.while_loop(lambda i, *_: i < x.shape[0], body, start)
        return learners, total / x.shape[0]

    def step(
        self, settings: TensorSettings, learners: Recurrent[Learner], x: tf.Tensor, y: tf.Tensor
    ) -> tuple[Recurrent[Learner], tf.Tensor]:
        """Take one step, and return the loss before it."""
        windows, state = [], tf.zeros([x.shape[1], self.layers.cell.units])
        for time in range(0, x.shape[0], self.window):
            windows.append(self._unroll(learners, state, x, y, range(time, time + self.window)))
            state = windows[-1].end
        loss = tf.add_n([one.loss for one in windows])

        predictor = learners.gradient_predictor.weights
        with tf.GradientTape() as tape:
            tape.watch(predictor)
            synthetic = [
                self.layers.gradient_predictor.stateless_call(predictor, [], one.end)[0] for one in windows[:-1]
            ]
            with tape.stop_recording():
                vjps = [one.vjp for one in windows[:-1]] + [lambda _: windows[-1].vjp(tf.zeros_like(state))]
                messages = propagate(synthetic, vjps, settings.mixing)
            how = {"reduction": settings.reduction, "divide_by_loss": settings.divide_by_loss}
            pairs = zip(synthetic, messages.propagated, strict=True)
            error = sum((predictor_loss(*pair, loss, **how) for pair in pairs), tf.zeros([]))

        received = [*messages.received, tf.zeros_like(state)]
        found = [one.weight_gradients(message) for one, message in zip(windows, received, strict=True)]
        found = [tf.add_n(gradients) for gradients in zip(*found, strict=True)]
        split = len(learners.cell.weights)
        taught = tape.gradient(error, predictor, unconnected_gradients="zero")
        rates = [settings.learning_rate, settings.learning_rate, settings.predictor_learning_rate]
        moves = zip(learners, [found[:split], found[split:], taught], rates, strict=True)
        return Recurrent(*(self._moved(*move) for move in moves)), loss

    def _unroll(
        self, learners: Recurrent[Learner], state: tf.Tensor, x: tf.Tensor, y: tf.Tensor, times: range
    ) -> _Window:
        """Run the cell over a window; its loss is its part of the mean over all bits that are to be repeated."""
        layers, weights = self.layers, [*learners.cell.weights, *learners.readout.weights]
        with tf.GradientTape(persistent=True) as tape:
            tape.watch([state, *weights])
            end, loss = state, tf.zeros([])
            for t in times:
                (end, _), _ = layers.cell.stateless_call(
                    learners.cell.weights, layers.cell.non_trainable_variables, x[t], [end]
                )
                if 2 * t >= x.shape[0]:
                    logits, _ = layers.readout.stateless_call(learners.readout.weights, [], end)
                    bits = tf.nn.sigmoid_cross_entropy_with_logits(y[t], logits)
                    loss += 2 * tf.reduce_mean(bits) / x.shape[0]
        return _Window(state, end, loss, weights, tape)

    def _moved(self, learner: Learner, gradients: list[tf.Tensor], learning_rate: tf.Tensor) -> Learner:
        weights, state = self.optimizer.update(learner.weights, gradients, learner.optimizer_state, learning_rate)
        return Learner(weights, [], state)

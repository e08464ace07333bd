"""The two-task toy of CAGrad: two losses over a plane, a steep valley, and the curve of points between their minima.

Needs TensorFlow.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import tensorflow as tf

from gradbook.auxiliary.aggregation import aggregate, require
from gradbook.auxiliary.aggregation.famo import Famo
from gradbook.errors import InputError
from gradbook.optimizers import Adam

FLOOR = 5e-6
"""Below this the logarithms are constant."""

STARTS = ((-8.5, 7.5), (-8.5, -5.0), (9.0, 9.0))
"""Where the descents of CAGrad start (Liu et al. 2021)."""

FIVE_STARTS = ((-8.5, 7.5), (0.0, 0.0), (9.0, 9.0), (-7.5, -0.5), (9.0, -1.0))
"""Where those of Nash-MTL and FAMO start; in both the first loss is multiplied by 0.1."""

MINIMUM = (0.0, -8.35511)
"""The minimum of the mean of both losses; each loss alone is least at x₁ = ±7 and x₂ = -8.43446."""


def losses(x: tf.Tensor) -> tf.Tensor:
    """Return both losses at points [..., 2], [2, ...].

    With c(s) = max(tanh(s x₂/2), 0) and m(z) = log max(abs(z), 5e-6), both are c(1) times a valley of a logarithm and
    c(-1) times a bowl:

        L₁ = c(1) (m(-(x₁ + 7)/2 + tanh x₂) + 6) + c(-1) (((x₁ - 7)² + (x₂ + 8)²/10)/10 - 20),
        L₂ = c(1) (m((3 - x₁)/2 - tanh x₂ + 2) + 6) + c(-1) (((x₁ + 7)² + (x₂ + 8)²/10)/10 - 20).

    On the line x₂ = 0 the derivatives of both maxima are taken from the side of the hyperbolic tangent, as PyTorch does
    in the published code: at (0, 0) both losses then have the same slope.

    Source: Liu et al. 2021, arXiv 2110.14048, toy.py of its code.
    """
    x1, x2 = tf.unstack(x, axis=-1)
    above, below = (tf.maximum(tf.tanh(sign * 0.5 * x2), 0) for sign in (1, -1))
    found = []
    for inside, minimum in ((-0.5 * (x1 + 7) + tf.tanh(x2), 7.0), (0.5 * (3 - x1) - tf.tanh(x2) + 2, -7.0)):
        valley = tf.math.log(tf.maximum(tf.abs(inside), FLOOR)) + 6
        bowl = ((x1 - minimum) ** 2 + 0.1 * (x2 + 8) ** 2) / 10 - 20
        found.append(above * valley + below * bowl)
    return tf.stack(found)


def on_the_front(x: np.ndarray) -> np.ndarray:
    """Return which of the points [..., 2] lie on the Pareto front, a flat arc between the two minima, or within 1.

    >>> on_the_front(np.array([[7.0, -8.43446], MINIMUM, [9.0, -8.4], [0.0, 0.0]])).tolist()
    [True, True, False, False]
    """
    return np.hypot(np.maximum(np.abs(x[..., 0]) - 7, 0), x[..., 1] - MINIMUM[1]) < 1


@tf.function(jit_compile=True, autograph=False)
def slopes(x: tf.Tensor, scale: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return both losses at points [n, 2], the first one times a scale, [2, n], and their gradients, [2, n, 2]."""
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        first, second = tf.unstack(losses(x))
        first = scale * first
    return tf.stack([first, second]), tf.stack([tape.gradient(first, x), tape.gradient(second, x)])


@tf.function(jit_compile=True, autograph=False)
def moved(x: tf.Tensor, direction: tf.Tensor, memory: Any, learning_rate: tf.Tensor) -> tuple:
    """Return the points after a step of Adam, and its state."""
    (x,), memory = Adam(epsilon=1e-8).update([x], [direction], memory, learning_rate)
    return x, memory


def descend(
    how: str,
    starts: Sequence[Sequence[float]] = STARTS,
    *,
    scale: float = 1.0,
    learning_rate: float = 1e-3,
    steps: int = 50_000,
    every: int = 500,
    seed: int = 0,
    **options: float,
) -> np.ndarray:
    """Follow an aggregator's direction downhill by Adam, from each start on its own.

    Args:
        how: a name of `gradbook.auxiliary.aggregation.AGGREGATORS`, or "famo", which is given the lower bounds -21 of
            both losses and no decay, as in its code.
        starts: points of two coordinates.
        scale: of the first loss; > 0.
        learning_rate: η > 0.
        steps: ≥ 1, rounded up to a multiple of ``every``.
        every: ≥ 1, how many steps apart the points of the path are.
        seed: of what the aggregator draws.
        options: of the aggregator; "famo" takes none.

    Returns:
        The paths float64 [points, starts, 2], starts first.

    Raises:
        InputError: an unknown aggregator or option, or a number out of its range.

    >>> descend("mgda", steps=1000, every=500).shape
    (3, 3, 2)
    """
    if how != "famo":
        require(how, options)
    elif options:
        raise InputError(f"famo takes no options; received {', '.join(options)}.")
    for name, value, allowed in [
        ("scale", scale, scale > 0),
        ("learning_rate", learning_rate, learning_rate > 0),
        ("steps", steps, steps >= 1),
        ("every", every, every >= 1),
    ]:
        if not allowed:
            raise InputError(f"{name} must be positive; received {value}.")
    RANDOM.bit_generator.state = np.random.default_rng(seed).bit_generator.state
    stretch = program(how, tuple(options.items()), len(starts), scale)
    x = tf.constant(starts, tf.float64)
    state = x, Adam().init([x]), [Famo().init(2, "float64") for _ in starts]
    points = [x]
    for _ in range(-(-steps // every)):
        state = stretch(state, tf.constant(every), tf.constant(learning_rate, tf.float64))
        points.append(state[0])
    return np.stack(points)


RANDOM = np.random.default_rng()
"""Where aggregators draw from; set anew for each descent."""


@cache
def program(how: str, options: tuple[tuple[str, float], ...], count: int, scale: float) -> Any:
    """Return the compiled steps of an aggregator from so many starts."""
    famo = Famo(decay=0.0, lowest=(-21 * scale, -21.0)) if how == "famo" else None
    factor = tf.constant(scale, tf.float64)

    @tf.function(autograph=False)
    def stretch(state: tuple, steps: tf.Tensor, learning_rate: tf.Tensor) -> tuple:
        def step(i: tf.Tensor, state: tuple) -> tuple:
            x, memory, balances = state
            values, gradients = slopes(x, factor)
            if famo:
                weights = tf.stack([famo.weights(balances[n], values[:, n]) for n in range(count)])
                direction = tf.einsum("nk,knc->nc", weights, gradients)
            else:
                of_each = [tf.unstack(gradients[:, n]) for n in range(count)]
                direction = tf.stack([aggregate(one, how, random=RANDOM, **dict(options)) for one in of_each])
            x, memory = moved(x, direction, memory, learning_rate)
            if famo:
                after, _ = slopes(x, factor)
                balances = [famo.update(one, values[:, n], after[:, n]) for n, one in enumerate(balances)]
            return i + 1, (x, memory, balances)

        return tf.while_loop(lambda i, _: i < steps, step, (tf.constant(0), state), parallel_iterations=1)[1]

    return stretch

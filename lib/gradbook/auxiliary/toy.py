"""Descents small enough to see: two losses over one or two coordinates, and the path that a rule takes between them.

Needs TensorFlow.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from gradbook.auxiliary.rules import AtZero, Formula, Rule, censor, cosine
from gradbook.errors import InputError, unknown
from gradbook.optimizers import Adam, GradientDescent

OPTIMIZERS = {"gradient_descent": GradientDescent(), "adam": Adam(epsilon=1e-8)}
"""By name, as the reference's code sets them."""


@dataclass(frozen=True)
class Loss:
    """A loss and its exact gradient, both functions of points in a float64 tensor [..., coordinates]."""

    value: Callable[[tf.Tensor], tf.Tensor]
    gradient: Callable[[tf.Tensor], tf.Tensor]


@dataclass(frozen=True)
class Problem:
    """A main loss, and an auxiliary one over the same coordinates."""

    main: Loss
    auxiliary: Loss


def bowl(*centre: float) -> Loss:
    """Make the loss ‖x - c‖², with gradient 2 (x - c).

    >>> bowl(3.0, 0.0).value(tf.constant([0.0, 4.0], tf.float64)).numpy()
    np.float64(25.0)
    """
    c = tf.constant(centre, tf.float64)
    return Loss(value=lambda x: tf.reduce_sum((x - c) ** 2, axis=-1), gradient=lambda x: 2 * (x - c))


def ring() -> Loss:
    """Make the loss (‖x‖ - 1)², zero on the unit circle, with gradient 2 (‖x‖ - 1) x/‖x‖, and 0 at the origin."""

    def gradient(x: tf.Tensor) -> tf.Tensor:
        norm = tf.norm(x, axis=-1, keepdims=True)
        return tf.math.divide_no_nan(2 * (norm - 1) * x, norm)

    return Loss(value=lambda x: (tf.norm(x, axis=-1) - 1) ** 2, gradient=gradient)


LINE = Problem(main=bowl(10.0), auxiliary=bowl(0.0))
"""One coordinate: main (θ - 10)², auxiliary θ² (Du et al. 2018, arXiv 1812.02224)."""

PLANE = Problem(main=ring(), auxiliary=bowl(2.0, 0.0))
"""Two coordinates: main (‖x‖ - 1)², auxiliary ‖x - (2, 0)‖² (vivien000 2019)."""


def cosines(problem: Problem, points: np.ndarray) -> np.ndarray:
    """Return the cosine of the two gradients at each point [n, coordinates]: [n], 0 where a gradient is zero."""

    @tf.function(jit_compile=True, autograph=False)
    def compiled(x: tf.Tensor) -> tf.Tensor:
        pairs = (problem.auxiliary.gradient(x), problem.main.gradient(x))
        return tf.map_fn(lambda pair: cosine(*pair), pairs, fn_output_signature=x.dtype)

    x = tf.constant(points, tf.float64)
    return compiled.get_concrete_function(x)(x).numpy()


def descend(
    problem: Problem,
    rule: str | Rule | Formula,
    *,
    start: Sequence[float],
    weight: float = 0.1,
    learning_rate: float = 0.01,
    steps: int = 5000,
    optimizer: str = "gradient_descent",
    at_zero: AtZero = "keep",
) -> np.ndarray:
    """Follow v + weight · kept downhill, where kept is what `censor` leaves of the auxiliary gradient.

    The loop is one compiled call in float64.

    Args:
        problem: the two losses.
        rule: as in `gradbook.auxiliary.censor`.
        start: the first point, one number a coordinate.
        weight: λ ≥ 0, the auxiliary task's weight.
        learning_rate: η > 0.
        steps: ≥ 1.
        optimizer: one of `OPTIMIZERS`, "gradient_descent" or "adam" (with ε = 1e-8).
        at_zero: what the rule keeps where the main gradient is zero, as in `censor`.

    Returns:
        The path [steps + 1, coordinates], start first.

    Raises:
        InputError: unknown rule, optimizer or at_zero, or a number out of its range.

    >>> path = descend(LINE, "multitask", start=[5.0], weight=1.0, learning_rate=0.1, steps=100)
    >>> path.shape, path[-1].round(6)
    ((101, 1), array([5.]))
    """
    if optimizer not in OPTIMIZERS:
        raise unknown("optimizer", optimizer, OPTIMIZERS)
    for name, value, allowed in [
        ("weight", weight, weight >= 0),
        ("learning_rate", learning_rate, learning_rate > 0),
        ("steps", steps, steps >= 1),
    ]:
        if not allowed:
            raise InputError(f"{name} must be {'positive' if name != 'weight' else '0 or more'}; received {value}.")

    chosen = OPTIMIZERS[optimizer]

    def step(state: tuple, _: tf.Tensor) -> tuple:
        (x,), memory = state
        u, v = problem.auxiliary.gradient(x), problem.main.gradient(x)
        gradient = v + weight * censor(u, v, rule, scope="global", at_zero=at_zero)
        return chosen.update([x], [gradient], memory, learning_rate)

    @tf.function(jit_compile=True, autograph=False)
    def path(x: tf.Tensor) -> tf.Tensor:
        (points,), _ = tf.scan(step, tf.range(steps), ([x], chosen.init([x])))
        return points

    x = tf.constant(start, tf.float64)
    return np.concatenate([[x], path.get_concrete_function(x)(x)])

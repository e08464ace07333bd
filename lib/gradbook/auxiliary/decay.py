"""Weight decay as a helper: its gradient is the parameter vector itself, and a rule decides how much of it is heard."""

from collections.abc import Sequence

import tensorflow as tf

from gradbook.auxiliary import Rule
from gradbook.auxiliary.rules import (
    Coefficient,
    Products,
    coefficients,
    function_of,
    mixture,
    multitask,
    single_task,
)

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7  # Adam's, as in Keras

Parts = Sequence[tf.Variable]


class CensoredDecay:
    """Adam on the main gradient g, and a decay of the parameters θ that a rule censors, decoupled from it.

    With u = θ as it stands before the step, and v the moving average of g,

        v ← v + α (g - v),   θ ← θ - η m̂/(√ŝ + ε) - η λ kept(u, v),

    where m̂ and ŝ are Adam's averages of g and g² (Kingma and Ba 2015). With `multitask`, kept(u, v) = u and this is the
    decoupled weight decay of Loshchilov and Hutter (2019, arXiv 1711.05101); with `single_task` it is plain Adam.
    The rule compares u and v for each variable on its own, and keeps u whole where v is zero.

    The arrays are what a step costs, not the arithmetic: v takes one pass over them, its products with u another, and
    everything that changes a parameter a third, compiled by XLA into one loop.

    Args:
        variables: one sequence a variable of the network, of the parts it is held in.
        rule: one of ``gradbook.auxiliary.RULES``.
        weight: λ ≥ 0.
        alpha: α in (0, 1]; 1 takes the gradient itself for v. The average starts at α g and is not corrected for that.
        learning_rate: η > 0.
    """

    def __init__(
        self, variables: Sequence[Parts], rule: Rule, *, weight: float, alpha: float, learning_rate: float
    ) -> None:
        self.variables, self.rule = variables, function_of(rule)
        self.weight, self.alpha, self.learning_rate = weight, alpha, learning_rate
        self.listens = self.rule not in (single_task, multitask)
        self.steps = tf.Variable(0.0)
        self.means, self.squares = _zeros(variables), _zeros(variables)
        self.averages = _zeros(variables) if self.listens and alpha < 1 else []

    def reset(self) -> None:
        """Forget all gradients."""
        for state in (self.steps, *tf.nest.flatten((self.means, self.squares, self.averages))):
            state.assign(tf.zeros_like(state))

    def step(self, gradients: Sequence[Sequence[tf.Tensor]]) -> tf.Tensor:
        """Change the parameters; to be called within a compiled function.

        Args:
            gradients: g, like the variables.

        Returns:
            float32 [variables]: the cosines of u and v, 0 where either is zero. Not computed, and 0, for the two rules
            that do not look at v.
        """
        if self.averages:
            self._average(gradients)
        main = self.averages or gradients
        cosines, mixing = [], []
        for u, v in zip(self.variables, main, strict=True):
            over = Products([(tf.convert_to_tensor(x), tf.convert_to_tensor(y)) for x, y in zip(u, v, strict=True)])
            cosines.append(tf.math.divide_no_nan(over.uv, over.norms) if self.listens else tf.constant(0.0))
            mixing.append([coefficients(x, y, over, self.rule) for x, y in over.pairs])
        self.steps.assign_add(1)
        self._update(gradients, None if self.averages else main, mixing)
        return tf.stack(cosines)

    @tf.function(jit_compile=True)
    def _average(self, gradients: Sequence[Sequence[tf.Tensor]]) -> None:
        for average, gradient in _flat(self.averages, gradients):
            average.assign_add(self.alpha * (gradient - average))

    @tf.function(jit_compile=True)
    def _update(
        self,
        gradients: Sequence[Sequence[tf.Tensor]],
        main: Sequence[Sequence[tf.Tensor]] | None,
        mixing: Sequence[Sequence[tuple[Coefficient, Coefficient]]],
    ) -> None:
        unbias = tf.sqrt(1 - BETA_2**self.steps) / (1 - BETA_1**self.steps)
        for u, g, v, mean, square, ab in _flat(
            self.variables, gradients, self.averages if main is None else main, self.means, self.squares, mixing
        ):
            mean.assign_add((1 - BETA_1) * (g - mean))
            square.assign_add((1 - BETA_2) * (g * g - square))
            change = unbias * mean / (tf.sqrt(square) + EPSILON) + self.weight * mixture(u, v, *ab)
            u.assign_sub(self.learning_rate * change)


def _zeros(variables: Sequence[Parts]) -> list[list[tf.Variable]]:
    return [[tf.Variable(tf.zeros_like(part)) for part in parts] for parts in variables]


def _flat(*structures: Sequence[Sequence]) -> list[tuple]:
    """Part by part, what the structures hold for it."""
    return [parts for variables in zip(*structures, strict=True) for parts in zip(*variables, strict=True)]

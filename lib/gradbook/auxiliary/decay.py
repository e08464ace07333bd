"""Weight decay as an auxiliary task: its gradient is the parameter vector itself, and a rule decides how much is kept.

Needs TensorFlow.
"""

from collections.abc import Sequence

import tensorflow as tf

from gradbook.auxiliary.rules import (
    Coefficient,
    Formula,
    Products,
    Rule,
    Scope,
    mixture,
    require_alpha,
    require_choices,
    require_weight,
    rule_of,
)
from gradbook.errors import InputError
from gradbook.optimizers import Adam

Parts = Sequence[tf.Variable]


class CensoredDecay:
    """Adam on the main gradient g, and a decay of the parameters θ that a rule censors, decoupled from it.

    With u = θ as it stands before the step, and v the moving average of g,

        v ← v + α (g - v),   θ ← θ - η (Adam(g) + λ kept(u, v)),

    where Adam(g) is what `gradbook.optimizers.Adam` subtracts at a learning rate of 1, with ε = 1e-7 as in Keras.
    With `multitask`, kept(u, v) = u and this is the decoupled weight decay of Loshchilov and Hutter (2019,
    arXiv 1711.05101); with `single_task` it is plain Adam. Where v is zero over the scope, u is kept whole.

    The arrays are what a step costs, not the arithmetic: v takes one pass over them, its products with u another, and
    everything that changes a parameter a third, compiled by XLA into one loop.

    Args:
        variables: one sequence for each variable of the network, of the parts it is held in.
        rule: as in `gradbook.auxiliary.censor`.
        weight: λ ≥ 0.
        alpha: α in (0, 1]; 1 takes the gradient itself for v. The average starts at α g and is not corrected for that.
        learning_rate: η > 0.
        scope: as in `gradbook.auxiliary.censor`.

    Raises:
        InputError: an unknown rule or scope, or a number out of its range.
    """

    def __init__(
        self,
        variables: Sequence[Parts],
        rule: str | Rule | Formula,
        *,
        weight: float,
        alpha: float,
        learning_rate: float,
        scope: Scope = "variable",
    ) -> None:
        require_choices(scope)
        require_weight(weight)
        require_alpha(alpha)
        if not learning_rate > 0:
            raise InputError(f"learning_rate must be positive; received {learning_rate}.")
        self.variables, self.rule, self.adam = variables, rule_of(rule), Adam(epsilon=1e-7)
        self.scope = scope
        self.weight, self.alpha, self.learning_rate = weight, alpha, learning_rate
        self.state = tf.nest.map_structure(tf.Variable, self.adam.init(tf.nest.flatten(variables)))
        averaged = variables if self.rule.compares and alpha < 1 else []
        self.averages = tf.nest.map_structure(lambda part: tf.Variable(tf.zeros_like(part)), averaged)

    def reset(self) -> None:
        """Forget all gradients."""
        for state in tf.nest.flatten((self.state, self.averages)):
            state.assign(tf.zeros_like(state))

    def step(self, gradients: Sequence[Sequence[tf.Tensor]]) -> tf.Tensor:
        """Change the parameters; to be called within a compiled function.

        Args:
            gradients: g, like the variables.

        Returns:
            float32 [variables]: the cosines of u and v, 0 where either is zero. Not computed, and 0, for rules that do
            not compare them.
        """
        if self.averages:
            self._average(gradients)
        main = self.averages or gradients
        cosines, mixing = [], []
        pairs = [
            [(tf.convert_to_tensor(x), tf.convert_to_tensor(y)) for x, y in zip(u, v, strict=True)]
            for u, v in zip(self.variables, main, strict=True)
        ]
        whole = Products([pair for parts in pairs for pair in parts])
        for parts in pairs:
            over = whole if self.scope == "global" else Products(parts)
            cosines.append(tf.math.divide_no_nan(over.uv, over.norms) if self.rule.compares else tf.constant(0.0))
            mixing += [self.rule.coefficients(x, y, over) for x, y in parts]
        self._update(tf.nest.flatten(gradients), None if self.averages else tf.nest.flatten(main), mixing)
        return tf.stack(cosines)

    @tf.function(jit_compile=True)
    def _average(self, gradients: Sequence[Sequence[tf.Tensor]]) -> None:
        for average, gradient in zip(tf.nest.flatten(self.averages), tf.nest.flatten(gradients), strict=True):
            average.assign_add(self.alpha * (gradient - average))

    @tf.function(jit_compile=True)
    def _update(
        self,
        gradients: Sequence[tf.Tensor],
        main: Sequence[tf.Tensor] | None,
        mixing: Sequence[tuple[Coefficient, Coefficient]],
    ) -> None:
        parameters = tf.nest.flatten(self.variables)
        zeros = [tf.zeros_like(gradient) for gradient in gradients]
        moved, state = self.adam.update(zeros, gradients, self.state, learning_rate=1.0)
        for u, v, ab, adam in zip(parameters, main or tf.nest.flatten(self.averages), mixing, moved, strict=True):
            u.assign_add(self.learning_rate * (adam - self.weight * mixture(u, v, *ab)))
        tf.nest.map_structure(lambda variable, value: variable.assign(value), self.state, state)

"""An optimizer that turns into another."""

from typing import Any, Self
from uuid import uuid4

import keras
from keras import ops

from gradbook.errors import InputError
from gradbook.gradnets.gates import Schedule
from gradbook.gradnets.layers import Gate, register


@register
class GradualOptimizer(keras.optimizers.Optimizer):
    """An optimizer that moves θ by (1-g) of what one would do and g of what another would, each with its own state.

    Both receive the gradient at the same θ. Learning rates, clipping and decay are those of the two.

    Args:
        early, late: two Keras optimizers. A scale of the loss belongs around both, and averages of weights to neither.
        gate: a `Gate`, or what one is made from: a schedule, or a number in [0, 1].

    Raises:
        InputError: one of the two scales the loss or averages weights.

    >>> optimizer = GradualOptimizer(keras.optimizers.SGD(1.0), keras.optimizers.SGD(3.0), gate=0.5)
    >>> theta = keras.Variable(0.0)
    >>> optimizer.apply([ops.array(1.0)], [theta])
    >>> float(theta.value)
    -2.0
    """

    def __init__(
        self,
        early: keras.Optimizer,
        late: keras.Optimizer,
        gate: Gate | Schedule | float,
        name: str = "gradual",
    ) -> None:
        super().__init__(learning_rate=1.0, name=name)
        for role, inner in (("early", early), ("late", late)):
            scales = isinstance(inner, keras.optimizers.LossScaleOptimizer) or inner.loss_scale_factor is not None
            if scales or inner.use_ema:
                what = "scales the loss" if scales else "averages weights"
                raise InputError(f"{role} must be without loss scaling and use_ema; received one that {what}.")
        self.early, self.late = early, late
        self.gate, self.holder_id = gate if isinstance(gate, Gate) else Gate(gate), uuid4().hex
        if keras.backend.backend() == "jax":  # which takes no variable twice, as the model's and as the optimizer's
            self._progress = keras.Variable(self.gate.progress, trainable=False, name="progress")

    @property
    def progress(self) -> keras.Variable:
        """The gate's progress; on JAX one of its own, which `Progress` advances with the gate's."""
        return self._progress if keras.backend.backend() == "jax" else self.gate.progress

    @property
    def learning_rate(self) -> Any:
        """Always 1; the two optimizers have their own.

        Raises:
            InputError: when it is set.
        """
        return super().learning_rate

    @learning_rate.setter
    def learning_rate(self, learning_rate: Any) -> None:
        raise InputError(
            f"learning_rate of a GradualOptimizer cannot be set; received {learning_rate}. "
            "Set that of its early and of its late optimizer."
        )

    def build(self, variables: list) -> None:
        """Create the state of both."""
        if not self.built:
            super().build(variables)
            self.early.build(variables)
            self.late.build(variables)

    def apply(self, grads: list, trainable_variables: list | None = None) -> None:
        """Take one step."""
        variables = self._trainable_variables if trainable_variables is None else list(trainable_variables)
        self.build(variables)
        start = [ops.copy(variable) for variable in variables]
        self.early.apply(grads, variables)
        early = [ops.copy(variable) for variable in variables]
        for variable, value in zip(variables, start, strict=True):
            variable.assign(value)
        self.late.apply(grads, variables)
        for variable, value in zip(variables, early, strict=True):
            g = ops.cast(self.gate.schedule(ops.convert_to_tensor(self.progress)), variable.dtype)
            variable.assign((1 - g) * value + g * variable)
        self.iterations.assign_add(1)

    @property
    def variables(self) -> list:
        """Its own count of steps, the gate's progress, and the state of both."""
        own = [variable for variable in super().variables if variable is not self.progress]
        return [*own, self.progress, *self.early.variables, *self.late.variables]

    def get_config(self) -> dict[str, Any]:
        """Return both optimizers and the gate."""
        inner = {"early": self.early, "late": self.late}
        inner = {name: keras.saving.serialize_keras_object(optimizer) for name, optimizer in inner.items()}
        return {"name": self.name, "gate": self.gate.shared_config(self.holder_id), **inner}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict | None = None) -> Self:
        """Return the optimizer that `get_config` describes."""
        gate = Gate.from_shared_config(config["gate"])
        inner = keras.saving.deserialize_keras_object({**config, "gate": None}, custom_objects)
        optimizer = cls(**inner | {"gate": gate})
        optimizer.holder_id = config["gate"]["holder"]
        return optimizer

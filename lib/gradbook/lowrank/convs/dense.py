"""A dense layer with a family's weights."""
# ruff: noqa: D102 (a method without a docstring does what its base class says)

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from gradbook.lowrank.convs.base import Convolution, register


@register
class FamilyDense(keras.layers.Layer):
    """What ``Dense`` does, with the matrix, the bias and the activation of a 1×1 convolution.

    Args:
        convolution: of any family, with a kernel of 1×1 and no strides.
    """

    def __init__(self, convolution: Convolution, **options: Any):
        super().__init__(**options)
        self.convolution = convolution
        self.supports_masking = True

    def build(self, input_shape: Sequence[int | None]) -> None:
        self.input_spec = keras.layers.InputSpec(min_ndim=2, axes={-1: input_shape[-1]})
        if not self.convolution.built:  # as it is when a saved model is loaded
            self.convolution.build((None, 1, 1, input_shape[-1]))

    def call(self, inputs: Any) -> Any:
        outputs = ops.cast(self.convolution(ops.reshape(inputs, (-1, 1, 1, inputs.shape[-1]))), self.compute_dtype)
        return ops.reshape(outputs, (*ops.shape(inputs)[:-1], self.convolution.filters))

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        return (*input_shape[:-1], self.convolution.filters)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"convolution": keras.saving.serialize_keras_object(self.convolution)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "FamilyDense":
        return cls(**config | {"convolution": keras.saving.deserialize_keras_object(config["convolution"])})

"""Keras layers that predict what has not arrived yet: the gradient at an interface, or the input of a block."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from gradbook.errors import InputError

Shape = tuple[int | None, ...]


@keras.saving.register_keras_serializable("gradbook")
class SyntheticGradient(keras.layers.Layer):
    """Predict dL/dh from h, or from h and a context c: ĝ = [h, c] A + b, or by a perceptron where ``hidden`` is given.

    The last kernel starts at zero, so that a block that receives what a new predictor says does not move. Where h are
    sequences [n, time, units] or maps [n, height, width, channels], the products are convolutions and the context is
    repeated at every place.

    Source: Jaderberg et al. 2016 (arXiv 1608.05343), section 2.1; conditioning on the label is their cDNI.

    Args:
        hidden: widths of hidden layers with ReLU; none for the linear predictor.
        kernel_size: side of the convolutions' kernels, for sequences and maps only; odd.
        initializer: of the last kernel.

    Call arguments:
        features: h, float [n, units], [n, time, units] or [n, height, width, channels].
        context: c, float [n, width], or None.

    Raises:
        InputError: a hidden width below 1; features of another rank, when built; or a context that is missing,
            unexpected or of another width than the layer was built with, when called.

    >>> predictor = SyntheticGradient()
    >>> predictor(tf.ones([2, 256]), tf.ones([2, 10])).shape, predictor.count_params()
    (TensorShape([2, 256]), 68352)
    """

    def __init__(
        self,
        hidden: Sequence[int] = (),
        *,
        kernel_size: int = 5,
        initializer: str | keras.Initializer = "zeros",
        **options: Any,
    ) -> None:
        super().__init__(**options)
        if any(units < 1 for units in hidden):
            raise InputError(f"hidden must hold widths of at least 1; received {tuple(hidden)}.")
        self.hidden, self.kernel_size = tuple(hidden), kernel_size
        self.initializer = keras.initializers.get(initializer)

    def build(self, features_shape: Shape, context_shape: Shape | None = None) -> None:
        """Make the layers for these shapes."""
        self.context_width = context_shape[-1] if context_shape else 0
        rank, units = len(features_shape), features_shape[-1]
        if rank not in (2, 3, 4):
            raise InputError(
                "features must be [n, units], [n, time, units] or [n, height, width, channels]; "
                f"received rank {rank}. Cut elsewhere."
            )

        def layer(width: int, **options: Any) -> keras.layers.Layer:
            if rank == 2:
                return keras.layers.Dense(width, **options)
            convolution = {3: keras.layers.Conv1D, 4: keras.layers.Conv2D}[rank]
            return convolution(width, self.kernel_size, padding="same", **options)

        self.layers = [layer(width, activation="relu") for width in self.hidden]
        self.layers.append(layer(units, kernel_initializer=self.initializer))
        shape = (*features_shape[:-1], units + self.context_width)
        for one in self.layers:
            one.build(shape)
            shape = one.compute_output_shape(shape)

    def __call__(self, features: Any, context: Any = None, **options: Any) -> Any:
        """Refuse a context of another width in one sentence; Keras would wrap what ``call`` raises."""
        if self.built:
            width = 0 if context is None else context.shape[-1]
            if width != self.context_width:
                raise InputError(f"context must have the width {self.context_width}; received {width}.")
        return super().__call__(features, context, **options)

    def call(self, features: Any, context: Any = None) -> Any:
        """Return ĝ, shaped like the features."""
        values = features if context is None else ops.concatenate([features, _spread(context, features)], -1)
        for layer in self.layers:
            values = layer(values)
        return values

    def compute_output_shape(self, features_shape: Shape, context_shape: Shape | None = None) -> Shape:
        """Return the features' own shape."""
        return features_shape

    def get_config(self) -> dict[str, Any]:
        """Return what ``from_config`` needs."""
        initializer = keras.initializers.serialize(self.initializer)
        own = {"hidden": self.hidden, "kernel_size": self.kernel_size, "initializer": initializer}
        return super().get_config() | own


@keras.saving.register_keras_serializable("gradbook")
class Critic(SyntheticGradient):
    """Predict the loss, and differentiate that for the gradient: ĝ = ∂/∂h Σ ½‖[h, c] M‖².

    With a squared loss behind a linear readout W the quadratic form can be exact: M = [W; −I] gives ½‖hW − c‖², and
    its derivative is the linear predictor with A = WWᵀ and B = −Wᵀ. Gradients here are those of a sum over examples.

    Source: Czarnecki et al. 2017 (arXiv 1703.00522), who read a synthetic gradient as the derivative of a modelled
    loss.

    Args:
        rank: columns of M.

    Call arguments: as of `SyntheticGradient`, for features [n, units].
    """

    def __init__(self, rank: int = 10, **options: Any) -> None:
        options.setdefault("initializer", "glorot_uniform")
        super().__init__(**options)
        self.rank = rank

    def build(self, features_shape: Shape, context_shape: Shape | None = None) -> None:
        """Make M."""
        self.context_width = context_shape[-1] if context_shape else 0
        shape = (features_shape[-1] + self.context_width, self.rank)
        self.form = self.add_weight(shape=shape, initializer=self.initializer, name="form")

    def loss(self, features: Any, context: Any = None) -> Any:
        """Return the modelled loss of each example, [n]."""
        values = features if context is None else ops.concatenate([features, context], -1)
        return ops.sum(ops.square(values @ self.form), -1) / 2

    def call(self, features: Any, context: Any = None) -> Any:
        """Differentiate the modelled loss with respect to the features."""
        with tf.GradientTape() as tape:
            tape.watch(features)
            total = ops.sum(self.loss(features, context))
        return tape.gradient(total, features)

    def get_config(self) -> dict[str, Any]:
        """Return what ``from_config`` needs."""
        return super().get_config() | {"rank": self.rank}


@keras.saving.register_keras_serializable("gradbook")
class SyntheticInput(keras.layers.Layer):
    """Predict a block's input from the network's own: ĥ = x A + b, reshaped to the features' shape.

    With it a block need not wait for those below it either (Jaderberg et al. 2016, section 2.3 on forward locking).

    Args:
        shape: of the features, without the batch.

    >>> SyntheticInput([256])(tf.ones([2, 784])).shape
    TensorShape([2, 256])
    """

    def __init__(self, shape: Sequence[int], **options: Any) -> None:
        super().__init__(**options)
        self.shape = tuple(shape)
        self.layers = [
            keras.layers.Flatten(),
            keras.layers.Dense(math.prod(self.shape)),
            keras.layers.Reshape(self.shape),
        ]

    def build(self, shape: Shape) -> None:
        """Make the kernel."""
        for layer in self.layers:
            layer.build(shape)
            shape = layer.compute_output_shape(shape)

    def call(self, inputs: Any) -> Any:
        """Return ĥ, [n, …] of the features' shape."""
        for layer in self.layers:
            inputs = layer(inputs)
        return inputs

    def compute_output_shape(self, shape: Shape) -> Shape:
        """Return the features' shape."""
        return (shape[0], *self.shape)

    def get_config(self) -> dict[str, Any]:
        """Return what ``from_config`` needs."""
        return super().get_config() | {"shape": self.shape}


def _spread(context: Any, features: Any) -> Any:
    """Return the context as it is beside [n, units], or at every place of sequences and maps."""
    if len(features.shape) == 2:
        return context
    places = ops.ones_like(features[..., :1])
    return ops.reshape(context, (-1, *[1] * (len(features.shape) - 2), context.shape[-1])) * places

"""What a network costs: its parameters, and its multiplications by the convention one names."""

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial, reduce
from typing import TYPE_CHECKING, Any

import keras
from keras import layers

from gradbook.errors import InputError, unknown
from gradbook.lowrank.convs.base import Convolution
from gradbook.lowrank.convs.dense import FamilyDense
from gradbook.lowrank.networks import DropPath

if TYPE_CHECKING:
    import pandas as pd

Shape = tuple[int, ...]
Shapes = Sequence[int] | Sequence[Sequence[int]]
Handler = Callable[[Any, Shape, Shape, str], int]
Call = tuple[str, Any, Shape, Shape]  # path, layer or operation, and shapes of its first input and output

CONVENTIONS = ("convolutions", "log")
NUMBERS = ["parameters", "mult_adds"]


def weightless(build: Callable[[], keras.Model]) -> keras.Model:
    """Build a network to count and not to run: its weights have shapes and no values, so that it costs no memory.

    >>> from gradbook.lowrank.networks import wide_resnet
    >>> parameters(weightless(lambda: wide_resnet(28, 10)))
    36479194
    """
    with keras.StatelessScope(initialize_variables=False):
        return build()


def parameters(model: keras.Model | layers.Layer) -> int:
    """Count the trainable numbers, shared ones once. Moving averages of batch normalisation are none."""
    return sum(math.prod(weight.shape) for weight in model.trainable_weights)


def mult_adds(
    model: keras.Model,
    input_shape: Shapes | None = None,
    convention: str = "convolutions",
    handlers: Mapping[type, Handler] | None = None,
) -> int:
    """Count the multiplications, each with its addition, for one example.

    A layer counts as often as the model calls it; models within the model are looked into.

    Args:
        model: a functional or sequential model.
        input_shape: of an example, or one for each of several inputs; the model's own if None.
        convention: "convolutions" counts convolutions and linear layers; "log" adds, as the research log did, one for
            each element that passes a ReLU layer, k² for each element that leaves a k×k pooling, and one for each bias
            of a linear layer (but nothing for the ReLUs within a bottleneck convolution).
        handlers: layer class → function of the layer, its input's and its output's shape without the batch, and the
            convention, that gives the layer's multiplications. They go before :data:`HANDLERS`; the nearest base class
            counts.

    Warns:
        UserWarning: kinds of layers and operations that no handler knows, and that are left out.

    Raises:
        InputError: an unknown convention, another kind of model, or an input of unknown or unfit shape.
    """
    counted = table(model, input_shape, convention, handlers)
    if left_out := skipped(counted):
        warnings.warn(f"not counted: {', '.join(left_out)}.", stacklevel=2)
    return int(counted["mult_adds"].sum())


def table(
    model: keras.Model,
    input_shape: Shapes | None = None,
    convention: str = "convolutions",
    handlers: Mapping[type, Handler] | None = None,
) -> "pd.DataFrame":
    """Return one row per call of a layer: its name, kind, output shape, parameters and mult-adds.

    Parameters stand at a layer's first call; mult-adds are missing where no handler knows. Layers of a model within the
    model are named MODEL/LAYER. Arguments as for `mult_adds`.

    Raises:
        InputError: as for `mult_adds`.
    """
    import pandas as pd

    if convention not in CONVENTIONS:
        raise unknown("convention", convention, CONVENTIONS)
    chosen, rows, seen = HANDLERS | dict(handlers or {}), [], set()
    for path, operation, before, after in _calls(model, _example(model, input_shape)):
        fresh = [one for one in getattr(operation, "trainable_weights", ()) if id(one) not in seen]
        seen.update(map(id, fresh))
        own = sum(math.prod(weight.shape) for weight in fresh)
        rows.append((path, type(operation).__name__, after, own, _cost(operation, before, after, convention, chosen)))
    columns = ["layer", "kind", "output", *NUMBERS]
    return pd.DataFrame(rows, columns=columns).astype({"mult_adds": "Int64"})


def _example(model: keras.Model, input_shape: Shapes | None) -> list[keras.KerasTensor]:
    """Return inputs without values, of a batch of unknown size."""
    if not isinstance(model, keras.Function | keras.Sequential):
        raise InputError(f"model must be functional or sequential; received {type(model).__name__}.")
    if not model.built:
        raise InputError(f"model must have weights; received {model.name!r}, which was never called.")
    own = keras.tree.flatten(model.inputs)
    shapes = [one.shape[1:] for one in own]
    if input_shape is not None:
        single = not any(isinstance(size, Sequence) for size in input_shape)
        shapes = [tuple(input_shape)] if single else [tuple(one) for one in input_shape]
    if len(shapes) != len(own):
        raise InputError(f"input_shape must have a shape for each of {len(own)} inputs; received {input_shape!r}.")
    if any(None in shape for shape in shapes):
        raise InputError(f"input_shape must say how large an example is; this model leaves it open: {shapes}.")
    return [keras.KerasTensor((None, *shape), one.dtype) for shape, one in zip(shapes, own, strict=True)]


def _calls(model: keras.Model, inputs: list[keras.KerasTensor]) -> list[Call]:
    """Return every call that a model makes for such inputs, in order."""
    calls = []

    def follow(path: str, operation: Any, *arguments: Any, **options: Any) -> Any:
        def inside(inner: Any) -> Callable:
            return partial(follow, f"{path}/{inner.name}" if path else inner.name, inner)

        first, *_ = *arguments, *options.values()
        if isinstance(operation, keras.Function):
            return operation._run_through_graph(first, operation_fn=inside)
        if isinstance(operation, keras.Sequential):
            return reduce(lambda outputs, layer: inside(layer)(outputs), operation.layers, first)
        if isinstance(operation, layers.Layer):
            operation._assert_input_compatibility(first)
        outputs = operation.compute_output_spec(*arguments, **options)
        calls.append((path, operation, _shape((arguments, options)), _shape(outputs)))
        return outputs

    try:
        follow("", model, inputs if len(inputs) > 1 else inputs[0])
    except ValueError as error:
        raise InputError(f"input_shape does not fit the model: {str(error).splitlines()[0]}") from error
    return calls


def _shape(tensors: Any) -> Shape:
    """Return the shape of the first tensor without the batch."""
    return next(one.shape[1:] for one in keras.tree.flatten(tensors) if isinstance(one, keras.KerasTensor))


def _cost(operation: Any, before: Shape, after: Shape, convention: str, handlers: Mapping[type, Handler]) -> int | None:
    """Return the multiplications of one call; None where no handler knows, or a size is unknown."""
    if not isinstance(operation, layers.Layer):
        return 0 if type(operation).__name__ in FREE_OPERATIONS else None
    handler = next((handlers[kind] for kind in type(operation).__mro__ if kind in handlers), None)
    return None if handler is None or None in (*before, *after) else handler(operation, before, after, convention)


def skipped(counted: "pd.DataFrame") -> list[str]:
    """Return the kinds of layers and operations in a table that nobody counted."""
    return sorted(counted.loc[counted["mult_adds"].isna(), "kind"].unique())


def text(counted: "pd.DataFrame") -> str:
    """Return a table as text, free layers left out, with its summary below."""
    shown = counted[(counted["parameters"] > 0) | (counted["mult_adds"].fillna(1) > 0)]
    shown = shown.assign(output=["×".join(map(str, shape)) for shape in shown["output"]])
    body = shown.to_string(index=False, na_rep="?", formatters=dict.fromkeys(NUMBERS, "{:,}".format))
    return f"{body}\n\n{summary(counted)}"


def summary(counted: "pd.DataFrame") -> str:
    """Return the sums of a table, and what was skipped, in one line."""
    sums = f"{counted['parameters'].sum():,} parameters, {counted['mult_adds'].sum():,} mult-adds"
    left_out = skipped(counted)
    return sums + (f" (not counted: {', '.join(left_out)})" if left_out else "")


def _convolution(layer: Any, before: Shape, after: Shape, convention: str) -> int:
    return math.prod(layer.kernel_size) * _channels(layer, before) // layer.groups * math.prod(after)


def _separable(layer: Any, before: Shape, after: Shape, convention: str) -> int:
    inner, pixels = layer.depth_multiplier * _channels(layer, before), math.prod(after) // layer.filters
    return (math.prod(layer.kernel_size) + layer.filters) * inner * pixels


def _channels(layer: Any, shape: Shape) -> int:
    return shape[0 if layer.data_format == "channels_first" else -1]


def _linear(layer: layers.Dense, before: Shape, after: Shape, convention: str) -> int:
    return math.prod(before) * layer.units + (layer.units if convention == "log" and layer.use_bias else 0)


def _family_dense(layer: FamilyDense, before: Shape, after: Shape, convention: str) -> int:
    rows = math.prod(before[:-1])
    bias = after[-1] if convention == "log" and layer.convolution.use_bias else 0
    return rows * layer.convolution.mult_adds((1, 1, before[-1])) + bias


def _rectifier(layer: layers.Layer, before: Shape, after: Shape, convention: str) -> int:
    rectifies = getattr(layer, "activation", keras.activations.relu) is keras.activations.relu
    return math.prod(after) if convention == "log" and rectifies else 0


def _pooling(layer: layers.Layer, before: Shape, after: Shape, convention: str) -> int:
    return math.prod(layer.pool_size) * math.prod(after) if convention == "log" else 0


FREE = (
    *(layers.InputLayer, layers.Identity, layers.Dropout, layers.SpatialDropout2D, layers.GaussianNoise, DropPath),
    *(layers.BatchNormalization, layers.LayerNormalization, layers.GroupNormalization, layers.Rescaling),
    *(layers.Add, layers.Subtract, layers.Multiply, layers.Average, layers.Maximum, layers.Minimum),
    *(layers.Concatenate, layers.Flatten, layers.Reshape, layers.Permute, layers.RepeatVector, layers.Embedding),
    *(layers.Cropping1D, layers.Cropping2D, layers.ZeroPadding1D, layers.ZeroPadding2D),
    *(layers.GlobalAveragePooling1D, layers.GlobalAveragePooling2D),
    *(layers.GlobalMaxPooling1D, layers.GlobalMaxPooling2D),
    *(layers.LeakyReLU, layers.PReLU, layers.ELU, layers.Softmax),
)
FREE_OPERATIONS = {
    *("Absolute", "Add", "Cast", "Clip", "Divide", "Exp", "Gelu", "LeakyRelu", "Log", "Maximum", "Minimum", "Multiply"),
    *("Negative", "Power", "Relu", "Relu6", "Sigmoid", "Silu", "Softmax", "Softplus", "Sqrt", "Square", "Subtract"),
    *("Tanh", "TrueDivide", "Max", "Mean", "Min", "Sum", "Concatenate", "ExpandDims", "Flip", "GetItem", "Pad"),
    *("Reshape", "Squeeze", "Stack", "Swapaxes", "Transpose"),
}
"""Operations outside layers that are elementwise or move numbers only, by the names of Keras' classes."""

HANDLERS: dict[type, Handler] = {
    **dict.fromkeys(FREE, lambda *_: 0),
    **dict.fromkeys((layers.Conv1D, layers.Conv2D, layers.Conv3D), _convolution),
    **dict.fromkeys(
        (layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose),
        lambda layer, before, *_: math.prod(layer.kernel_size) * layer.filters * math.prod(before),
    ),
    **dict.fromkeys(
        (layers.DepthwiseConv1D, layers.DepthwiseConv2D),
        lambda layer, _, after, __: math.prod(layer.kernel_size) * math.prod(after),
    ),
    **dict.fromkeys((layers.SeparableConv1D, layers.SeparableConv2D), _separable),
    **dict.fromkeys((layers.MaxPooling1D, layers.MaxPooling2D, layers.MaxPooling3D), _pooling),
    **dict.fromkeys((layers.AveragePooling1D, layers.AveragePooling2D, layers.AveragePooling3D), _pooling),
    layers.Dense: _linear,
    **dict.fromkeys((layers.ReLU, layers.Activation), _rectifier),
    Convolution: lambda layer, before, *_: layer.mult_adds(before),
    FamilyDense: _family_dense,
}
"""What a call of each kind of layer costs; see `mult_adds`."""

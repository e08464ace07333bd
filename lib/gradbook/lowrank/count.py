"""What a network costs: its parameters, and its multiplications by the convention one names."""

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import keras
from keras import layers

from gradbook.errors import unknown
from gradbook.lowrank.convs import Convolution
from gradbook.lowrank.networks import DropPath

if TYPE_CHECKING:
    import pandas as pd

Shape = tuple[int, ...]
Handler = Callable[[Any, Shape, Shape, str], int]

CONVENTIONS = ("convolutions", "log")
NUMBERS = ["parameters", "mult_adds"]


def weightless(build: Callable[[], keras.Model]) -> keras.Model:
    """A network to count and not to run: its weights have shapes and no values, so that it costs no memory.

    >>> from gradbook.lowrank.networks import wide_resnet
    >>> parameters(weightless(lambda: wide_resnet(28, 10)))
    36479194
    """
    with keras.StatelessScope(initialize_variables=False):
        return build()


def parameters(model: keras.Model | layers.Layer) -> int:
    """Trainable numbers. Moving averages of batch normalisation are none."""
    return sum(math.prod(weight.shape) for weight in model.trainable_weights)


def mult_adds(
    model: keras.Model,
    input_shape: Sequence[int] | None = None,
    convention: str = "convolutions",
    handlers: Mapping[type, Handler] | None = None,
) -> int:
    """Multiplications, each with its addition, for one example.

    Args:
        model: a functional model.
        input_shape: of an example; the model's own if None.
        convention: "convolutions" counts convolutions and linear layers; "log" adds, as the research log did, one for
            each element that passes a ReLU layer, k² for each element that leaves a k×k pooling, and one for each bias
            of a linear layer (but nothing for the ReLUs within a bottleneck convolution).
        handlers: layer class → function of the layer, its input's and its output's shape without the batch, and the
            convention, that gives the layer's multiplications. They go before :data:`HANDLERS`; the nearest base class
            counts.

    Warns:
        UserWarning: kinds of layers that no handler knows, and that are left out.

    Raises:
        InputError: an unknown convention.
    """
    counted = table(model, input_shape, convention, handlers)
    if left_out := skipped(counted):
        warnings.warn(f"not counted: {', '.join(left_out)}.", stacklevel=2)
    return int(counted["mult_adds"].sum())


def table(
    model: keras.Model,
    input_shape: Sequence[int] | None = None,
    convention: str = "convolutions",
    handlers: Mapping[type, Handler] | None = None,
) -> "pd.DataFrame":
    """Every layer: its name, kind, output shape, parameters and mult-adds, which are missing where no handler knows.

    Arguments as for `mult_adds`.
    """
    import pandas as pd

    if convention not in CONVENTIONS:
        raise unknown("convention", convention, CONVENTIONS)
    if input_shape is not None and tuple(input_shape) != model.input_shape[1:]:
        images = keras.Input(tuple(input_shape))
        model = weightless(lambda: keras.models.clone_model(model, input_tensors=images))
    chosen = HANDLERS | dict(handlers or {})
    rows = [_row(layer, convention, chosen) for layer in model.layers]
    columns = ["layer", "kind", "output", *NUMBERS]
    return pd.DataFrame(rows, columns=columns).astype({"mult_adds": "Int64"})


def _row(layer: layers.Layer, convention: str, handlers: Mapping[type, Handler]) -> tuple:
    handler = next((handlers[kind] for kind in type(layer).__mro__ if kind in handlers), None)
    before, *_ = keras.tree.flatten(layer.input) or [layer.output]
    shapes = before.shape[1:], layer.output.shape[1:]
    cost = None if handler is None else handler(layer, *shapes, convention)
    return layer.name, type(layer).__name__, shapes[1], parameters(layer), cost


def skipped(counted: "pd.DataFrame") -> list[str]:
    """The kinds of layers in a table that nobody counted."""
    return sorted(counted.loc[counted["mult_adds"].isna(), "kind"].unique())


def text(counted: "pd.DataFrame") -> str:
    """A table as text, free layers left out, with its summary below."""
    shown = counted[(counted["parameters"] > 0) | (counted["mult_adds"].fillna(1) > 0)]
    shown = shown.assign(output=["×".join(map(str, shape)) for shape in shown["output"]])
    body = shown.to_string(index=False, na_rep="?", formatters=dict.fromkeys(NUMBERS, "{:,}".format))
    return f"{body}\n\n{summary(counted)}"


def summary(counted: "pd.DataFrame") -> str:
    """The sums of a table, and what was skipped, in one line."""
    sums = f"{counted['parameters'].sum():,} parameters, {counted['mult_adds'].sum():,} mult-adds"
    left_out = skipped(counted)
    return sums + (f" (not counted: {', '.join(left_out)})" if left_out else "")


def _convolution(layer: layers.Conv2D, before: Shape, after: Shape, convention: str) -> int:
    return math.prod(layer.kernel_size) * before[-1] // layer.groups * math.prod(after)


def _depthwise(layer: layers.DepthwiseConv2D, before: Shape, after: Shape, convention: str) -> int:
    return math.prod(layer.kernel_size) * math.prod(after)


def _family(layer: Convolution, before: Shape, after: Shape, convention: str) -> int:
    return layer.mult_adds(before)


def _linear(layer: layers.Dense, before: Shape, after: Shape, convention: str) -> int:
    return math.prod(before) * layer.units + (layer.units if convention == "log" and layer.use_bias else 0)


def _activation(layer: layers.Layer, before: Shape, after: Shape, convention: str) -> int:
    return math.prod(after) if convention == "log" else 0


def _pooling(layer: layers.Layer, before: Shape, after: Shape, convention: str) -> int:
    return math.prod(layer.pool_size) * math.prod(after) if convention == "log" else 0


def _free(layer: layers.Layer, before: Shape, after: Shape, convention: str) -> int:
    return 0


FREE = (
    *(layers.InputLayer, layers.BatchNormalization, layers.Add, layers.Concatenate, layers.Identity, layers.Flatten),
    *(layers.GlobalAveragePooling2D, layers.Dropout, layers.Cropping2D, DropPath),
)

HANDLERS: dict[type, Handler] = dict.fromkeys(FREE, _free) | {
    layers.Conv2D: _convolution,
    layers.DepthwiseConv2D: _depthwise,
    layers.Dense: _linear,
    layers.ReLU: _activation,
    layers.MaxPooling2D: _pooling,
    layers.AveragePooling2D: _pooling,
    Convolution: _family,
}

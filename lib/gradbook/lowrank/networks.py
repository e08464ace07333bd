"""The networks of the research log, each built from the convolution it is given.

A convolution is anything that is called as ``Conv2D``: a row of the substitution table
:data:`gradbook.lowrank.convs.table.FAMILIES` with its value. Stems and classifiers stay dense, as in the log. Strided
layers pad as Keras's "same" does, which samples even sizes one pixel away from the log's. Layers whose names start with
``tap`` give the activations that attention transfer compares.
"""
# ruff: noqa: D102 (a method without a docstring does what its base class says)

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

import keras
from keras import layers

from gradbook.lowrank.arguments import blocks_in_stage, positive_integer
from gradbook.lowrank.convs.base import Convolution, precise, register
from gradbook.lowrank.convs.table import substitute
from gradbook.lowrank.normalisation import BatchNormalization

Make = Callable[..., Convolution]
Tensor = Any

dense = partial(layers.Conv2D, padding="same", use_bias=False, kernel_initializer="he_normal")
depthwise = partial(layers.DepthwiseConv2D, 3, padding="same", use_bias=False, depthwise_initializer="he_normal")


def logits(classes: int, **options: Any) -> layers.Dense:
    """Return the last layer."""
    return layers.Dense(positive_integer("classes", classes), **options)


def wide_resnet(
    depth: int, width: int, classes: int = 10, *, convolution: Make | None = None, shape: Sequence[int] = (32, 32, 3)
) -> keras.Model:
    """Build a wide residual network (Zagoruyko and Komodakis 2016, table 1) for small images.

    Args:
        depth: 6n + 4, with n blocks of two convolutions in each of three stages.
        width: factor on the channels 16, 32, 64.
        classes: outputs, as logits.
        convolution: what both convolutions of a block are made with; dense if None. Shortcuts stay dense.
        shape: height, width and channels of an image.

    Raises:
        InputError: a depth of another form.
    """
    blocks = blocks_in_stage(depth)
    make = partial(convolution or substitute("plain"), kernel_size=3, padding="same")
    images = keras.Input(shape)
    x = dense(16, 3)(images)
    for stage in range(3):
        for block in range(blocks):
            x = _wide_block(x, 2**stage * 16 * width, 2 if stage and not block else 1, make)
        x = layers.Identity(name=f"tap_{stage + 1}")(x)
    x = layers.GlobalAveragePooling2D()(_active(x))
    return keras.Model(images, logits(classes)(x), name=f"wide_resnet_{depth}_{width}")


def _wide_block(x: Tensor, filters: int, strides: int, make: Make) -> Tensor:
    active = _active(x)
    inner = make(filters, strides=strides)(active)
    inner = make(filters)(_active(inner))
    shortcut = x if x.shape[-1] == filters else dense(filters, 1, strides=strides)(active)
    return layers.Add()([shortcut, inner])


def _active(x: Tensor, largest: float | None = None) -> Tensor:
    return layers.ReLU(largest)(BatchNormalization()(x))


def wrn_50_2(
    classes: int = 1000,
    *,
    convolution: Make | None = None,
    shape: Sequence[int] = (224, 224, 3),
    dense_classifier: bool = True,
) -> keras.Model:
    """Build the wide residual network for ImageNet: ResNet-50 with doubled channels and an expansion of 2.

    Not the figure of its paper, but what its authors published; the research log found out on 23 November.

    Args:
        classes: outputs, as logits.
        convolution: what every convolution after the stem is made with; dense if None.
        shape: height, width and channels of an image.
        dense_classifier: whether the classifier stays dense; otherwise it is made with the convolution too.
    """
    make = convolution or substitute("plain")
    images = keras.Input(shape)
    x = _active(dense(64, 7, strides=2)(images))
    x = layers.MaxPooling2D(3, 2, "same")(x)
    for stage, blocks in enumerate([3, 4, 6, 3]):
        for block in range(blocks):
            x = _residual_block(x, 128 * 2**stage, 2 if stage and not block else 1, make)
        x = layers.Identity(name=f"tap_{stage + 1}")(x)
    return keras.Model(images, _classify(x, classes, None if dense_classifier else make), name="wrn_50_2")


def _residual_block(x: Tensor, filters: int, strides: int, make: Make) -> Tensor:
    inner = _active(make(filters, 1)(x))
    inner = _active(make(filters, 3, strides=strides, padding="same")(inner))
    inner = BatchNormalization()(make(2 * filters, 1)(inner))
    if strides > 1 or x.shape[-1] != 2 * filters:
        x = BatchNormalization()(make(2 * filters, 1, strides=strides)(x))
    return layers.ReLU()(layers.Add()([x, inner]))


def _classify(x: Tensor, classes: int, make: Make | None) -> Tensor:
    if make is None:
        return logits(classes)(layers.GlobalAveragePooling2D()(x))
    pooled = layers.GlobalAveragePooling2D(keepdims=True)(x)
    return layers.Flatten()(make(classes, 1, use_bias=True)(pooled))


def mobilenet_v2(
    classes: int = 1000,
    *,
    convolution: Make | None = None,
    shape: Sequence[int] = (224, 224, 3),
    dense_classifier: bool = True,
) -> keras.Model:
    """Build MobileNetV2 (Sandler et al. 2018, table 2); the convolution makes its 1×1 steps.

    Arguments as for `wrn_50_2`.
    """
    make = convolution or substitute("plain")
    images = keras.Input(shape)
    x = _active(dense(32, 3, strides=2)(images), 6.0)
    for expansion, filters, blocks, strides in MOBILENET_V2:
        for block in range(blocks):
            x = _inverted_block(x, expansion, filters, 1 if block else strides, make)
    x = layers.Identity(name="tap_1")(x)
    x = _active(make(1280, 1)(x), 6.0)
    return keras.Model(images, _classify(x, classes, None if dense_classifier else make), name="mobilenet_v2")


MOBILENET_V2 = (  # expansion, channels, blocks, strides of the first
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def _inverted_block(x: Tensor, expansion: int, filters: int, strides: int, make: Make) -> Tensor:
    inner = x if expansion == 1 else _active(make(expansion * x.shape[-1], 1)(x), 6.0)
    inner = BatchNormalization()(make(filters, 1)(_active(depthwise(strides=strides)(inner), 6.0)))
    return layers.Add()([x, inner]) if strides == 1 and x.shape[-1] == filters else inner


def resnet_18(classes: int = 10, *, convolution: Make | None = None, shape: Sequence[int] = (32, 32, 3)) -> keras.Model:
    """Build ResNet-18 (He et al. 2016, table 1) for small images, as the repository pytorch-cifar has it.

    The stem keeps the image's size. The convolution makes all of the blocks, their shortcuts included. Arguments as for
    `wide_resnet`.
    """
    make = convolution or substitute("plain")
    images = keras.Input(shape)
    x = _active(dense(64, 3)(images))
    for stage in range(4):
        for block in range(2):
            x = _basic_block(x, 64 * 2**stage, 2 if stage and not block else 1, make)
        x = layers.Identity(name=f"tap_{stage + 1}")(x)
    return keras.Model(images, _classify(x, classes, None), name="resnet_18")


def _basic_block(x: Tensor, filters: int, strides: int, make: Make) -> Tensor:
    inner = _active(make(filters, 3, strides=strides, padding="same")(x))
    inner = BatchNormalization()(make(filters, 3, padding="same")(inner))
    if strides > 1 or x.shape[-1] != filters:
        x = BatchNormalization()(make(filters, 1, strides=strides)(x))
    return layers.ReLU()(layers.Add()([x, inner]))


def mobilenet(classes: int = 10, *, convolution: Make | None = None, shape: Sequence[int] = (32, 32, 3)) -> keras.Model:
    """Build MobileNet (Howard et al. 2017, table 1) for small images; the convolution makes its 1×1 steps.

    The stem keeps the image's size, as in the repository pytorch-cifar. Arguments as for `wide_resnet`.
    """
    make = convolution or substitute("plain")
    images = keras.Input(shape)
    x = _active(dense(32, 3)(images))
    for filters, strides in MOBILENET:
        x = _active(make(filters, 1)(_active(depthwise(strides=strides)(x))))
    x = layers.Identity(name="tap_1")(x)
    return keras.Model(images, _classify(x, classes, None), name="mobilenet")


MOBILENET = (  # channels, strides
    *((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)),
    *[(512, 1)] * 5,
    *((1024, 2), (1024, 1)),
)


def mobilenet_v2_cifar(
    classes: int = 10, *, convolution: Make | None = None, shape: Sequence[int] = (32, 32, 3)
) -> keras.Model:
    """Build MobileNetV2 for small images, as the repository pytorch-cifar has it.

    Beside `mobilenet_v2`, the stem and the second stage keep the image's size, the first block is expanded too, and
    shortcuts change the number of channels where needed. The convolution makes the expansions and the last 1×1 step;
    projections and shortcuts stay dense, as the log's code had it. Arguments as for `wide_resnet`.
    """
    make = convolution or substitute("plain")
    images = keras.Input(shape)
    x = _active(dense(32, 3)(images))
    for stage, (expansion, filters, blocks, strides) in enumerate(MOBILENET_V2):
        for block in range(blocks):
            x = _expanded_block(x, expansion, filters, strides if stage > 1 and not block else 1, make)
    x = layers.Identity(name="tap_1")(x)
    return keras.Model(images, _classify(_active(make(1280, 1)(x)), classes, None), name="mobilenet_v2_cifar")


def _expanded_block(x: Tensor, expansion: int, filters: int, strides: int, make: Make) -> Tensor:
    inner = _active(depthwise(strides=strides)(_active(make(expansion * x.shape[-1], 1)(x))))
    inner = BatchNormalization()(dense(filters, 1)(inner))
    if strides > 1:
        return inner
    return layers.Add()([x if x.shape[-1] == filters else BatchNormalization()(dense(filters, 1)(x)), inner])


class Edge(NamedTuple):
    """One operation of a cell, and the node it reads: 0 and 1 are the two cells before, 2 the first sum, and so on."""

    operation: Literal["separable_3", "separable_5", "dilated_3", "dilated_5", "max_pool", "average_pool", "skip"]
    node: int


class Genotype(NamedTuple):
    """A cell found by architecture search: edges, two a sum; the sums are the cell's output, side by side."""

    normal: tuple[Edge, ...]
    reduction: tuple[Edge, ...]


DARTS_V2 = Genotype(
    normal=(
        *(Edge("separable_3", 0), Edge("separable_3", 1)),
        *(Edge("separable_3", 0), Edge("separable_3", 1)),
        *(Edge("separable_3", 1), Edge("skip", 0)),
        *(Edge("skip", 0), Edge("dilated_3", 2)),
    ),
    reduction=(
        *(Edge("max_pool", 0), Edge("max_pool", 1)),
        *(Edge("skip", 2), Edge("max_pool", 1)),
        *(Edge("max_pool", 0), Edge("skip", 2)),
        *(Edge("skip", 2), Edge("max_pool", 1)),
    ),
)


def darts(
    classes: int = 10,
    *,
    genotype: Genotype = DARTS_V2,
    channels: int = 36,
    cells: int = 20,
    convolution: Make | None = None,
    auxiliary: bool = False,
    shape: Sequence[int] = (32, 32, 3),
) -> keras.Model:
    """Build the network that DARTS found (Liu, Simonyan and Yang 2019, fig. 4), for CIFAR-10.

    Args:
        classes: outputs, as logits.
        genotype: the cells.
        channels: C, of the first cells; doubled by the reductions at a third and at two thirds of the depth.
        cells: cells in all.
        convolution: what every convolution after the stem is made with; separable if None.
        auxiliary: whether there is a second output, the auxiliary head's logits, to be used in training only.
        shape: height, width and channels of an image; the auxiliary head needs 32×32 or more.
    """
    make = convolution or substitute("separable")
    images = keras.Input(shape)
    before = last = BatchNormalization()(dense(3 * channels, 3)(images))
    outputs, reduced = [], False
    for cell in range(cells):
        reduces = cell in (cells // 3, 2 * cells // 3)
        channels *= 1 + reduces
        before, last = last, _cell(before, last, genotype, channels, reduces, reduced, make)
        if reduces:
            last = layers.Identity(name=f"tap_{1 + (cell == 2 * cells // 3)}")(last)
        if auxiliary and cell == 2 * cells // 3:
            outputs = [_auxiliary_head(last, classes)]
        reduced = reduces
    scores = logits(classes)(layers.GlobalAveragePooling2D()(last))
    return keras.Model(images, [scores, *outputs] if auxiliary else scores, name="darts")


def _cell(
    before: Tensor, last: Tensor, genotype: Genotype, channels: int, reduces: bool, reduced: bool, make: Make
) -> Tensor:
    first = _halve(before, channels, make) if reduced else _relu_conv_norm(before, make(channels, 1))
    nodes = [first, _relu_conv_norm(last, make(channels, 1))]
    edges = genotype.reduction if reduces else genotype.normal
    for pair in zip(edges[::2], edges[1::2], strict=True):
        strides = [2 if reduces and edge.node < 2 else 1 for edge in pair]
        ends = [_edge(nodes[edge.node], edge, step, make) for edge, step in zip(pair, strides, strict=True)]
        nodes.append(layers.Add()(ends))
    return layers.Concatenate()(nodes[2:])


def _edge(x: Tensor, edge: Edge, strides: int, make: Make) -> Tensor:
    kind, _, size = edge.operation.partition("_")
    channels = x.shape[-1]
    if kind == "skip" and strides == 1:
        return x
    if kind == "skip":
        x = _halve(x, channels, make)
    elif kind == "max":
        x = layers.MaxPooling2D(3, strides, "same")(x)
    elif kind == "average":
        x = layers.AveragePooling2D(3, strides, "same")(x)
    elif kind == "dilated":
        x = _relu_conv_norm(x, make(channels, int(size), strides=strides, padding="same", dilation_rate=2))
    else:
        x = _relu_conv_norm(x, make(channels, int(size), strides=strides, padding="same"))
        x = _relu_conv_norm(x, make(channels, int(size), padding="same"))
    return DropPath()(x)


def _relu_conv_norm(x: Tensor, convolution: Convolution) -> Tensor:
    return BatchNormalization()(convolution(layers.ReLU()(x)))


def _halve(x: Tensor, channels: int, make: Make) -> Tensor:
    """Halve the size: two strided 1×1 convolutions, one of them looking one pixel further."""
    active = layers.ReLU()(x)
    shifted = layers.Cropping2D(((1, 0), (1, 0)))(active)
    halves = [make(channels // 2, 1, strides=2)(active), make(channels // 2, 1, strides=2)(shifted)]
    return BatchNormalization()(layers.Concatenate()(halves))


def _auxiliary_head(x: Tensor, classes: int) -> Tensor:
    x = layers.AveragePooling2D(5, 3)(layers.ReLU()(x))
    x = _active(dense(128, 1)(x))
    x = _active(dense(768, 2, padding="valid")(x))
    return logits(classes, name="auxiliary")(layers.Flatten()(x))


@register
class DropPath(layers.Layer):
    """Drop an example's whole path with probability `rate` while training, and scale what is kept by 1 / (1 − rate).

    `rate` is a variable in [0, 1), 0 at first, that :class:`gradbook.lowrank.protocol.DropPathRamp` raises. Draws are
    made in float32 or better: in 16 bits small rates would be missed.
    """

    def __init__(self, **options: Any):
        super().__init__(**options)
        self.seed_generator = keras.random.SeedGenerator()
        self.rate = self.add_weight((), "zeros", trainable=False, name="rate")

    def call(self, x: Tensor, training: bool = False) -> Tensor:
        if not training:
            return x
        keep = 1.0 - precise(self.rate)
        drawn = keras.random.uniform((keras.ops.shape(x)[0], 1, 1, 1), dtype=keep.dtype, seed=self.seed_generator)
        return x * keras.ops.cast(drawn < keep, x.dtype) / keras.ops.cast(keep, x.dtype)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        return tuple(input_shape)


NETWORKS: dict[str, Callable[..., keras.Model]] = {
    "wide-resnet-28-10": partial(wide_resnet, 28, 10),
    "wide-resnet-40-2": partial(wide_resnet, 40, 2),
    "wide-resnet-16-2": partial(wide_resnet, 16, 2),
    "wrn-50-2": wrn_50_2,
    "darts": darts,
    "mobilenet-v2": mobilenet_v2,
    "resnet-18": resnet_18,
    "mobilenet": mobilenet,
    "mobilenet-v2-cifar": mobilenet_v2_cifar,
}

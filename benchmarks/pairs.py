"""Pairs of classes: a step of the library beside two eager models that are kept alike by hand, at one image a step.

The first loop is written as research code often is: main and auxiliary task each have a whole ResNet, called eagerly;
the dot product of their gradients is fetched to decide, and both trunks take the same updates, variable by variable.
The second is idiomatic PyTorch, one trunk with two heads, channels last. All start from the same weights and see the
same images.
"""

from functools import partial

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from benchmarks._sides import Side, agree, compare
from gradbook.auxiliary import two_headed
from gradbook.auxiliary.networks import residual
from gradbook.auxiliary.resnet import ToOnePixel
from gradbook.auxiliary.two_headed import TwoHeaded
from gradbook.seeds import generator, set_seed

SHAPE, LEARNING_RATE, IMAGES, CHECKED, ROUNDS = (64, 64, 3), 5e-6, 5, 3, 40


def initial() -> TwoHeaded:
    """Make the network that all loops start from."""
    set_seed(0)
    return residual(SHAPE)


def batches() -> list[tuple]:
    """Return pairs of batches, one of the main and one of the auxiliary task, each one image and its label."""
    random = generator(0, "images").random((IMAGES, 1, *SHAPE), np.float32)
    examples = [(image, np.array([number % 2])) for number, image in enumerate(random)]
    return list(zip(examples, examples[1:] + examples[:1], strict=True))


def weighted(trunk: keras.Model) -> list[keras.Layer]:
    """Convolutions, then normalisations, each in the order in which the network makes them."""
    named = sorted((layer for layer in trunk.layers if layer.weights), key=lambda layer: (len(layer.name), layer.name))
    return [layer for layer in trunk.layers if hasattr(layer, "kernel")] + [
        layer for layer in named if hasattr(layer, "gamma")
    ]


def arrays(trunk: keras.Model) -> list[np.ndarray]:
    """Kernel and bias of each convolution, then factor and shift of each normalisation."""
    pairs = (("kernel", "bias") if hasattr(layer, "kernel") else ("gamma", "beta") for layer in weighted(trunk))
    return [np.array(getattr(layer, name)) for layer, pair in zip(weighted(trunk), pairs, strict=True) for name in pair]


def plain(trunk: keras.Model) -> keras.Model:
    """Return a copy of a trunk that has Keras' own convolutions throughout."""

    def clone(layer: keras.Layer) -> keras.Layer:
        if not isinstance(layer, ToOnePixel):
            return layer.__class__.from_config(layer.get_config())
        size = int(layer.reaches.sum() ** 0.5)
        return keras.layers.Conv2D(layer.filters, layer.taps, strides=size, padding="same")

    copy = keras.models.clone_model(trunk, clone_function=clone)
    for mine, its in zip(copy.layers, trunk.layers, strict=True):
        mine.set_weights([its.kernel, its.bias] if isinstance(its, ToOnePixel) else its.get_weights())
    return copy


class EagerLoop:
    """Two models, step by step in Python, with the gate open where the product is not negative."""

    def __init__(self, learning_rate: float) -> None:
        start, self.learning_rate = initial(), learning_rate
        self.batches = tf.nest.map_structure(tf.constant, batches())
        self.trunks = plain(start.trunk), plain(start.trunk)
        heads = [keras.models.clone_model(head) for head in (start.main, start.auxiliary)]
        for copy, head in zip(heads, (start.main, start.auxiliary), strict=True):
            copy.set_weights(head.get_weights())
        self.models = [keras.Sequential(parts) for parts in zip(self.trunks, heads, strict=True)]

    def __call__(self, number: int) -> None:
        """One step on an image of either task."""
        gradients = []
        for model, (images, labels) in zip(self.models, self.batches[number % IMAGES], strict=True):
            with tf.GradientTape() as tape:
                losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, model(images))
                loss = tf.reduce_mean(losses)
            gradients.append(tape.gradient(loss, model.trainable_variables))
        shared = len(self.trunks[0].trainable_variables)
        v, u = (own[:shared] for own in gradients)
        flat_v, flat_u = (tf.concat([tf.reshape(g, [-1]) for g in trunk], 0) for trunk in (v, u))
        agree = float(tf.reduce_sum(flat_v * flat_u)) >= 0
        both = [a + b for a, b in zip(v, u, strict=True)] if agree else v
        for model, own in zip(self.models, gradients, strict=True):
            self.apply(both + own[shared:], model.trainable_variables)

    def apply(self, gradients: list, variables: list) -> None:
        """Plain gradient descent, variable by variable."""
        for gradient, variable in zip(gradients, variables, strict=True):
            variable.assign_sub(self.learning_rate * gradient)

    def weights(self) -> list[np.ndarray]:
        """Return the main task's trunk."""
        return arrays(self.trunks[0])


class TorchLoop:
    """PyTorch, where nothing is fetched to decide."""

    def __init__(self, learning_rate: float) -> None:
        import torch
        from torch import nn

        self.torch, self.learning_rate, start = torch, learning_rate, initial()
        layers = weighted(plain(start.trunk))
        self.convolutions = nn.ModuleList(map(self.convolution, layers[:21]))
        self.norms = nn.ModuleList(map(self.normalisation, layers[21:]))
        for part in (self.convolutions, self.norms):
            part.to(memory_format=torch.channels_last)
        self.heads = [nn.Linear(512, 2) for _ in range(2)]
        with torch.no_grad():
            for head, keras_head in zip(self.heads, (start.main, start.auxiliary), strict=True):
                for parameter, values in zip(head.parameters(), keras_head.get_weights(), strict=True):
                    parameter.copy_(torch.from_numpy(values.T))
        self.trunk = [*self.convolutions.parameters(), *self.norms.parameters()]
        self.batches = [
            [(torch.from_numpy(image).movedim(-1, 1), torch.from_numpy(label)) for image, label in batch]
            for batch in batches()
        ]

    def convolution(self, layer: keras.layers.Conv2D):
        """Return a convolution that pads as TensorFlow does: the odd pixel at the end."""
        from torch import nn

        size, (taps, _, channels, filters), stride = layer.input.shape[1], layer.kernel.shape, layer.strides[0]
        padding = max((-(-size // stride) - 1) * stride + taps - size, 0)
        ours = nn.Conv2d(channels, filters, taps, stride)
        with self.torch.no_grad():
            ours.weight.copy_(self.torch.from_numpy(np.transpose(layer.kernel, (3, 2, 0, 1))))
            ours.bias.zero_()
        return nn.Sequential(nn.ZeroPad2d((padding // 2, padding - padding // 2) * 2), ours)

    @staticmethod
    def normalisation(layer: keras.layers.BatchNormalization):
        """As it stands at the start: averages of zero, variances of one, which stay."""
        from torch import nn

        return nn.BatchNorm2d(layer.gamma.shape[0], eps=layer.epsilon).eval()

    def features(self, x):
        """Return the trunk."""
        convolve, normalise = iter(self.convolutions), iter(self.norms)
        functional = self.torch.nn.functional

        def activated(x):
            return next(normalise)(x).relu()

        x = functional.max_pool2d(functional.pad(activated(next(convolve)(x)), (0, 1, 0, 1)), 3, 2)
        for group in range(4):
            halved = next(convolve)(x if group == 0 else activated(x))
            shortcut = next(normalise)(next(convolve)(x))
            x = next(convolve)(activated(halved)) + shortcut
            residual = next(convolve)(activated(x))
            x = next(convolve)(activated(residual)) + x
        return activated(x).mean((2, 3))

    def __call__(self, number: int) -> None:
        """One step on an image of either task."""
        losses = [
            self.torch.nn.functional.cross_entropy(head(self.features(images)), labels)
            for head, (images, labels) in zip(self.heads, self.batches[number % IMAGES], strict=True)
        ]
        found = [
            self.torch.autograd.grad(loss, [*self.trunk, *head.parameters()])
            for head, loss in zip(self.heads, losses, strict=True)
        ]
        shared = len(self.trunk)
        v, u = (own[:shared] for own in found)
        gate = (sum((a * b).sum() for a, b in zip(v, u, strict=True)) > 0).float()
        with self.torch.no_grad():
            for parameter, a, b in zip(self.trunk, v, u, strict=True):
                parameter.sub_(a + gate * b, alpha=self.learning_rate)
            for head, own in zip(self.heads, found, strict=True):
                for parameter, gradient in zip(head.parameters(), own[shared:], strict=True):
                    parameter.sub_(gradient, alpha=self.learning_rate)

    def weights(self) -> list[np.ndarray]:
        """Return the trunk, in Keras' layout."""
        values = [parameter.detach().numpy() for parameter in self.trunk]
        return [value.transpose(2, 3, 1, 0) if value.ndim == 4 else value for value in values]


class Library:
    """Ours."""

    def __init__(self, learning_rate: float) -> None:
        self.network, self.batches = initial(), tf.nest.map_structure(tf.constant, batches())
        options = {"rule": "unweighted_cosine", "scope": "global", "weight": 1.0, "learning_rate": learning_rate}
        self.step = tf.function(partial(two_headed.descend, self.network, **options))

    def __call__(self, number: int) -> None:
        """One step on an image of either task."""
        self.step(*self.batches[number % IMAGES]).numpy()

    def weights(self) -> list[np.ndarray]:
        """Return the trunk."""
        return arrays(self.network.trunk)


def sides(learning_rate: float) -> dict[str, Side]:
    """All loops at a learning rate."""
    return {
        "eager, two models": Side(partial(EagerLoop, learning_rate)),
        "PyTorch, channels last": Side(partial(TorchLoop, learning_rate), needs="torch"),
        "gradbook": Side(partial(Library, learning_rate)),
    }


SIDES = sides(LEARNING_RATE)


def measure() -> pd.DataFrame:
    """Time the sides, one row each, after all have moved the same weights alike, in steps long enough to see."""
    agree(sides(1e-4), CHECKED, 1e-3)
    return compare(__name__, ROUNDS)

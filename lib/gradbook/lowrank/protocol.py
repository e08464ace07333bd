"""How a network is trained: batch size, learning rate, schedules and augmentation, with the research log's by name."""
# ruff: noqa: D102 (a method without a docstring does what its base class says)

from dataclasses import dataclass

import keras
import numpy as np

from gradbook.errors import InputError
from gradbook.lowrank.arguments import positive_integer
from gradbook.lowrank.networks import DropPath
from gradbook.seeds import generator


@dataclass(frozen=True)
class Protocol:
    """Stochastic gradient descent with momentum, and what is done to the images.

    Attributes:
        batch_size: ≥ 1.
        learning_rate: at the start.
        momentum: in [0, 1).
        weight_decay: λ of a penalty ½λ‖w‖².
        epochs: ≥ 1.
        drops: after which fractions of the epochs the learning rate is multiplied by `factor`.
        factor: see `drops`.
        cosine: whether the learning rate falls along half a cosine to 0 instead.
        drop_path: probability in [0, 1) with which paths are dropped at the end of training, risen to linearly, epoch
            by epoch.
        crop: pixels of black around an image before a window of its size is cut out at random; 0: none.
        flip: whether half the images are mirrored.
        cutout: side of a square that is set to 0 around a random pixel (DeVries and Taylor 2017), even; 0: none.

    Raises:
        InputError: a number out of its range.
    """

    batch_size: int = 128
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    epochs: int = 200
    drops: tuple[float, ...] = (0.3, 0.6, 0.8)
    factor: float = 0.2
    cosine: bool = False
    drop_path: float = 0.0
    crop: int = 4
    flip: bool = True
    cutout: int = 16

    def __post_init__(self) -> None:
        for name in ("batch_size", "epochs"):
            positive_integer(name, getattr(self, name))
        for name in ("momentum", "drop_path"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(f"{name} must lie in [0, 1); received {getattr(self, name)!r}.")
        if self.cutout < 0 or self.cutout % 2:
            raise InputError(f"cutout must be even, 0 or more; received {self.cutout!r}.")

    def optimizer(self, steps_per_epoch: int) -> keras.optimizers.Optimizer:
        """Return the optimiser with its schedule, for so many batches an epoch."""
        steps, schedules = self.epochs * steps_per_epoch, keras.optimizers.schedules
        if self.cosine:
            learning_rate = schedules.CosineDecay(self.learning_rate, steps)
        else:
            rates = [self.learning_rate * self.factor**drop for drop in range(len(self.drops) + 1)]
            edges = [round(drop * steps) for drop in self.drops]
            learning_rate = schedules.PiecewiseConstantDecay(edges, rates)
        return keras.optimizers.SGD(learning_rate, self.momentum, name="sgd")  # not sgd_1 the next time


PROTOCOLS = {
    "wide_resnet": Protocol(),
    "darts": Protocol(
        batch_size=96, learning_rate=0.025, weight_decay=3e-4, epochs=600, cosine=True, drop_path=0.2, drops=()
    ),
    "imagenet": Protocol(batch_size=256, epochs=90, drops=(1 / 3, 2 / 3), factor=0.1, crop=0, cutout=0),
}


class Batches(keras.utils.PyDataset):
    """Shuffled, augmented batches; what comes in an epoch depends on the seed and the epoch alone.

    Args:
        images: float32 [n, height, width, channels]; black is the least value of each channel.
        labels: integers [n].
        protocol: batch size and augmentation; the last batch may be smaller.
        seed: seed ≥ 0.
    """

    def __init__(self, images: np.ndarray, labels: np.ndarray, protocol: Protocol, seed: int):
        super().__init__(workers=2)  # with one, tf.data tunes itself in a thread whose end an epoch may wait for
        self.images, self.labels, self.protocol, self.seed = images, labels, protocol, seed
        self.black = images.min(axis=(0, 1, 2))
        self.start(0)

    def start(self, epoch: int) -> None:
        """Go to an epoch, counted from 0."""
        self.epoch = epoch
        self.order = generator(self.seed, "order", str(epoch)).permutation(len(self.images))

    def __len__(self) -> int:
        return -(-len(self.images) // self.protocol.batch_size)

    def __getitem__(self, batch: int) -> tuple[np.ndarray, np.ndarray]:
        size = self.protocol.batch_size
        chosen = self.order[batch * size : (batch + 1) * size]
        random = generator(self.seed, "augment", str(self.epoch), str(batch))
        return augment(self.images[chosen], self.protocol, self.black, random), self.labels[chosen]


def augment(images: np.ndarray, protocol: Protocol, black: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Crop, flip and cut out, each image in its own way; black [channels] is what lies beyond the edges."""
    count, height, width, _ = images.shape
    margin = protocol.crop
    padded = np.broadcast_to(black, (count, height + 2 * margin, width + 2 * margin, len(black))).copy()
    padded[:, margin : margin + height, margin : margin + width] = images
    corners = random.integers(0, 2 * margin + 1, (2, count, 1))
    rows, columns = corners[0] + np.arange(height), corners[1] + np.arange(width)
    if protocol.flip:
        columns = np.where(random.random((count, 1)) < 0.5, columns, columns[:, ::-1])
    outputs = padded[np.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]]
    if protocol.cutout:
        half = protocol.cutout // 2
        inside = [_near(random.integers(0, side, (count, 1)), side, half) for side in (height, width)]
        outputs[inside[0][:, :, None] & inside[1][:, None, :]] = 0
    return outputs


def _near(centre: np.ndarray, side: int, half: int) -> np.ndarray:
    distance = np.arange(side) - centre
    return (-half <= distance) & (distance < half)


class DropPathRamp(keras.callbacks.Callback):
    """Raise the rate of every :class:`DropPath` in a network linearly, from 0 to `most` at the end of training."""

    def __init__(self, network: keras.Model, most: float, epochs: int):
        super().__init__()
        self.paths = [layer for layer in network.layers if isinstance(layer, DropPath)]
        self.most, self.epochs = most, epochs

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        for path in self.paths:
            path.rate.assign(self.most * epoch / self.epochs)

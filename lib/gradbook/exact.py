"""Numbers that claims compare exactly, by name: what the library gives without training anything."""

import itertools
import math
from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from typing import TYPE_CHECKING, Any, TypeVar

from gradbook.errors import unknown

if TYPE_CHECKING:
    import numpy as np

    from gradbook.lowrank.budget import Sizes

# Chapters' modules bring TensorFlow, so each function imports its own.

T = TypeVar("T")


def main_loss_at_the_end(rule: str) -> float:
    """Return the main loss where a rule's descent on the plane of `10_concept` ends, from (0, 2); to nine decimals."""
    from gradbook.auxiliary.toy import PLANE

    return round(float(PLANE.main.value(_end(rule))), 9)


def distance_at_the_end(rule: str) -> float:
    """Return how far that end is from (1, 0), of all minima of the main loss that with the least auxiliary loss."""
    return round(math.dist(_end(rule), (1.0, 0.0)), 9)


def aggregated(how: str, entry: int) -> float:
    """Return an entry of an aggregator's direction for the gradients (-4, 1, 1) and (6, 1, 1); to four decimals."""
    import numpy as np

    from gradbook.auxiliary.aggregation import aggregate

    rows = [np.array([-4.0, 1, 1]), np.array([6.0, 1, 1])]
    return round(float(aggregate(rows, how)[entry]), 4)


def runs_on_the_front(how: str) -> int:
    """Return from how many of the five starts of Nash-MTL's and FAMO's toy a descent ends on the Pareto front.

    The first loss is multiplied by 0.1, as there; Adam takes 10,000 steps at a learning rate of 0.005.
    """
    from gradbook.auxiliary import pareto

    path = pareto.descend(how, pareto.FIVE_STARTS, scale=0.1, learning_rate=0.005, steps=10_000, every=10_000)
    return int(pareto.on_the_front(path[-1]).sum())


def reviews_classifier() -> int:
    """Return the parameters of the network of `11_imdb`, 10,000-512-512-1."""
    from gradbook.experiments.imdb import Classifier

    return _numbers(part for parts in Classifier(10_000, 512).variables for part in parts)


def resnet_18() -> int:
    """Return the parameters of the ResNet of `12_imagenet_pairs`, moving averages included, of 64×64×3, two logits."""
    from gradbook.auxiliary import resnet
    from gradbook.lowrank.count import weightless

    return weightless(lambda: resnet.resnet_18((64, 64, 3))).count_params() + (512 + 1) * 2


def blocks() -> int:
    """Return the trainable parameters of `20_synthetic_gradients`: 784-256-256-256-10 with batch normalisation."""
    from gradbook.synthetic.networks import classifier

    chain = classifier([784], 10, depth=3, width=256)
    return _numbers(weight for block in chain.blocks for weight in block.trainable_variables)


def predictors(count: int) -> int:
    """Return the parameters of so many linear predictors of 256 gradients from 256 features and ten labels."""
    from gradbook.synthetic import SyntheticGradient

    predictor = SyntheticGradient()
    predictor.build((None, 256), (None, 10))
    return count * predictor.count_params()


def local_losses_network() -> int:
    """Return the parameters of the dense network that the code of the paper on local losses trains, 784-3×1024-10."""
    sizes = [784, 1024, 1024, 1024, 10]
    return sum((inputs + 1) * units for inputs, units in itertools.pairwise(sizes))


def similarity_across(classes: int) -> float:
    """Return how similar the labels of two of so many classes are, for similarity matching."""
    import numpy as np

    from gradbook.synthetic.without_backward import similarities

    return float(similarities(np.eye(classes))[0, 1])


def fifty_layers() -> int:
    """Return the trainable parameters of the network of `30_gradnets`."""
    from gradbook.gradnets import gradual_mlp
    from gradbook.lowrank import count

    return count.parameters(count.weightless(gradual_mlp))


def learning_rate(iteration: int) -> float:
    """Return the learning rate of `30_gradnets` when so many iterations are done."""
    from gradbook.experiments.gradnets import Configuration

    return Configuration().learning_rate_after(iteration)


def tailored(part: str) -> float:
    """Return "slope" or "gain" of the leaky ReLU tailored for a ResNet-101 with skips of weight 0.6, and η = 0.75."""
    from gradbook.gradnets.blocks import tailored_gain, tailored_slope

    def resnet_101(c: float, layer: Callable[[float], float]) -> float:
        branch = layer(layer(layer(c)))
        for blocks in (3, 4, 23, 3):
            for place in range(blocks):
                skip = c if place else layer(c)
                c = 0.36 * skip + 0.64 * layer(layer(layer(c)))
        return max(layer(c), branch)

    slope = tailored_slope(resnet_101, 0.75)
    return _named("part", part, {"slope": slope, "gain": tailored_gain(slope)})


def deepnorm_sublayers(encoder: int, decoder: int) -> int:
    """Return how many branches a transformer has: two in a layer of its encoder, three in one of its decoder."""
    return 2 * encoder + 3 * decoder


def deepnorm_balance(layers: int) -> float:
    """Return 4N β²/α² of DeepNorm's constants for N layers."""
    from gradbook.gradnets.blocks import deepnorm_constants

    alpha, beta = deepnorm_constants(layers)
    return 4 * layers * beta**2 / alpha**2


def expected_depth(blocks: int) -> float:
    """Return how many of so many blocks stochastic depth keeps on average, to nine decimals."""
    from gradbook.gradnets.blocks import survival

    return round(float(survival(blocks).sum()), 9)


def fixup_scale(blocks: int, layers: int) -> float:
    """Return Fixup's factor on the weights of a branch but its last, for so many blocks of so many layers."""
    from gradbook.gradnets import blocks as library

    return library.fixup_scale(blocks, layers)


def distance_from_identity(block: str, layers: int) -> float:
    """Return max |f(x) - x| of so many layers of a block before training, for random x ≥ 0 of 50 units."""
    import numpy as np
    import tensorflow as tf

    from gradbook.gradnets.blocks import BLOCKS, through

    draw = np.random.default_rng(0)
    made = _named("block", block, BLOCKS)(layers)
    weights = [tf.constant(array, tf.float32) for array in made.initial(50, draw)]
    x = tf.constant(draw.random((20, 50)), tf.float32)
    return float(tf.reduce_max(tf.abs(through(made)(x, made.gates(tf.constant(0.0)), *weights) - x)))


def parameters(
    network: str, family: str, value: float | None = None, dense_classifier: bool = True, **options: int | str
) -> int:
    """Return the trainable parameters of a network of Part IV with convolutions of one family."""
    from gradbook.lowrank.convs import substitute

    return _sizes(network, dense_classifier)(substitute(family, value, **options))


def parameters_of_december(network: str, family: str, scale: float) -> int:
    """Return them with the ranks that the log chose in December: ⌊scale · max(c_in, c_out)⌋, at most min(c_in, c_out).

    The families factorise the matrix [c_in, c_out] itself. In two dimensions a tensor train and a sum of outer products
    have the same weights; Tucker's decomposition has a core [r, r] besides, a train of two matrices of that size.
    """
    from gradbook.lowrank.convs import Separable
    from gradbook.lowrank.convs.base import fraction

    cores = _named("family", family, {"tensor_train": 0, "cp": 0, "tucker": 2})

    class December(Separable):
        def n_parameters(self, channels: int) -> int:
            rank = min(fraction(scale, max(channels, self.filters)), channels, self.filters)
            return self.kernel_size**2 * channels + rank * (channels + self.filters) + cores * rank**2

    return _sizes(network)(December)


def parameters_of_two_hashes(network: str, ratio: float) -> int:
    """Return them with both steps of separable convolutions hashed, and a bias in each, as the log's code had it."""
    from gradbook.lowrank.convs import Separable

    class Hashed(Separable):
        def n_parameters(self, channels: int) -> int:
            steps = self.kernel_size**2 * channels, channels * self.filters
            budget = int(ratio * sum(steps))
            return sum(budget * step // sum(steps) for step in steps) + channels + self.filters

    return _sizes(network)(Hashed)


def cheap_blocks(depth: int, width: int, blocks: str) -> int:
    """Return those of a network of Crowley, Gray and Storkey (2018), of one kind of block or "first/second/third"."""
    from gradbook.lowrank.cheap_blocks import parameters

    kinds = blocks.split("/")
    return parameters(depth, width, kinds if len(kinds) > 1 else blocks)


def mult_adds(network: str, family: str, value: float | None = None, convention: str = "log", **options: int) -> int:
    """Return its multiplications, by a convention of `gradbook.lowrank.count`."""
    from gradbook.lowrank import count
    from gradbook.lowrank.convs import substitute
    from gradbook.lowrank.networks import NETWORKS

    make = substitute(family, value, **options)
    build = _named("network", network, NETWORKS)
    return count.mult_adds(count.weightless(lambda: build(convolution=make)), convention=convention)


def darts_mult_adds_as_logged() -> int:
    """Return those of DARTS with the log's oversight: a dilated kernel reaches further and leaves fewer outputs."""
    from gradbook.lowrank import count
    from gradbook.lowrank.convs import Separable
    from gradbook.lowrank.networks import darts

    def overlooks_dilation(layer: Separable, before: tuple[int, ...], after: tuple[int, ...], convention: str) -> int:
        height, width, channels = before
        grown = (height + 2) * (width + 2) - height * width if layer.dilation_rate > 1 else 0
        return layer.mult_adds(before) + layer.kernel_size**2 * channels * grown

    return count.mult_adds(count.weightless(darts), convention="log", handlers={Separable: overlooks_dilation})


def layer_parameters(family: str, value: float, channels: int) -> int:
    """Return the weights of one layer of a family, 1×1, with so many channels on either side and no bias."""
    from gradbook.lowrank.convs import substitute

    return substitute(family, value)(channels, 1, use_bias=False).n_parameters(channels)


def adapter_parameters(width: int, layers: int, rank: int) -> int:
    """Return the weights of LoRA on the queries and the values, two matrices of one width, of every layer."""
    return 2 * layers * layer_parameters("lora", rank, width)


def core_learning_rate(rank: int, channels: int) -> float:
    """Return by what a block tensor train multiplies the learning rate of its first core."""
    from gradbook.lowrank.convs import BlockTensorTrain

    layer = BlockTensorTrain(channels, 1, rank=rank)
    layer.build((None, 1, 1, channels))
    return layer.learning_rates()["first"]


def fourier_error(family: str, size: int) -> float:
    """Return the largest error of the Fourier transform of N unit vectors, as a butterfly or as the nearest Monarch.

    The butterfly is given its inputs in bit-reversed order; the rows of Monarch's matrix, which belong to the inputs,
    are sorted. The numbers of the transform have absolute value 1.
    """
    import numpy as np

    from gradbook.lowrank import decompose
    from gradbook.lowrank.convs.butterfly import bit_reversal, fourier, multiply

    transform, side = np.fft.fft(np.eye(size)), math.isqrt(size)
    if _named("family", family, {"butterfly": True, "monarch": False}):
        found = multiply(np.eye(size)[:, bit_reversal(size)] + 0j, fourier(size))
    else:
        transform = transform.reshape(side, side, size).transpose(1, 0, 2).reshape(size, size)
        first, second = decompose.blockwise(transform, side, side, 1)
        found = np.einsum("kij,jkl->kilj", first, second).reshape(size, size)
    return float(np.abs(np.asarray(found) - transform).max())


def monarch_gain(size: int) -> float:
    """Return how much smaller alternating least squares makes the error of the nearest Monarch, as a fraction of it.

    The matrix is random, 5 random starts take 500 rounds each, and the best of them counts.
    """
    import numpy as np

    from gradbook.lowrank import decompose
    from gradbook.seeds import generator

    random, side = generator(0, "monarch"), math.isqrt(size)
    matrix = random.normal(size=(size, size))
    blocks = matrix.reshape(side, side, side, side).transpose(0, 3, 1, 2)  # k, j, i, l

    def error(first: "np.ndarray", second: "np.ndarray") -> float:
        return float(np.square(np.einsum("kij,jkl->kjil", first, second) - blocks).sum())

    reached = []
    for _ in range(5):
        second = random.normal(size=(side, side, side))
        for _ in range(500):
            first = np.einsum("kjil,jkl->kij", blocks, second) / np.square(second).sum(2).T[:, None, :]
            second = np.einsum("kjil,kij->jkl", blocks, first) / np.square(first).sum(1).T[:, :, None]
        reached.append(error(first, second))
    least = error(*decompose.blockwise(matrix, side, side, 1))
    return max(0.0, 1 - min(reached) / least)


def _end(rule: str) -> "np.ndarray":
    from gradbook.auxiliary.toy import PLANE, descend

    return descend(PLANE, rule, start=[0.0, 2.0])[-1]


def _numbers(weights: Iterable[Any]) -> int:
    return sum(math.prod(weight.shape) for weight in weights)


@cache
def _sizes(network: str, dense_classifier: bool = True) -> "Sizes":
    from gradbook.lowrank.budget import Sizes
    from gradbook.lowrank.networks import NETWORKS

    build = _named("network", network, NETWORKS)
    return Sizes(build if dense_classifier else partial(build, dense_classifier=False))


def _named(kind: str, name: str, known: Mapping[str, T]) -> T:
    """Return what is known by a name.

    Raises:
        InputError: nothing is.
    """
    if name not in known:
        raise unknown(kind, name, known)
    return known[name]


FUNCTIONS: dict[str, Callable[..., float]] = {
    function.__name__: function
    for function in (
        *(main_loss_at_the_end, distance_at_the_end, aggregated, runs_on_the_front),
        *(reviews_classifier, resnet_18, blocks, predictors),
        *(local_losses_network, similarity_across, fifty_layers, learning_rate, tailored, deepnorm_sublayers),
        *(deepnorm_balance, expected_depth, fixup_scale, distance_from_identity, parameters, parameters_of_december),
        *(parameters_of_two_hashes, cheap_blocks, mult_adds, darts_mult_adds_as_logged),
        *(layer_parameters, adapter_parameters, core_learning_rate, fourier_error, monarch_gain),
    )
}

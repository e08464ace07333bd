"""Convolutions with fewer weights: one family a class, each called as ``keras.layers.Conv2D`` is.

Every family is linear (but for the bottleneck) and starts with the variance of a dense convolution initialised after
He et al. (2015, eq. 10): white noise of variance 1 at the input gives variance 2 at the output. Images are
[batch, height, width, channels]; c_in and c_out are channels, k×k is the kernel.
"""

from gradbook.lowrank.convs.acdc import ACDC, ORDERS
from gradbook.lowrank.convs.base import GAIN, Convolution, Factor, Plain
from gradbook.lowrank.convs.factorised import CanonicalPolyadic, LowRank, Tensorised, TensorTrain, Tucker
from gradbook.lowrank.convs.groups import Bottleneck, Grouped, Shuffle
from gradbook.lowrank.convs.hashing import Hashed, SeparableHashed
from gradbook.lowrank.convs.separable import Separable
from gradbook.lowrank.convs.table import FAMILIES, Family, substitute

__all__ = [
    "ACDC",
    "FAMILIES",
    "GAIN",
    "ORDERS",
    "Bottleneck",
    "CanonicalPolyadic",
    "Convolution",
    "Factor",
    "Family",
    "Grouped",
    "Hashed",
    "LowRank",
    "Plain",
    "Separable",
    "SeparableHashed",
    "Shuffle",
    "TensorTrain",
    "Tensorised",
    "Tucker",
    "substitute",
]

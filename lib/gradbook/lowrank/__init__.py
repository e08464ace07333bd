"""Part IV: convolutions with fewer weights, the networks they go into, what they cost, and how they are trained."""

from typing import Literal

FamilyName = Literal[
    "plain",
    "separable",
    "grouped",
    "bottleneck",
    "shuffle",
    "hashed",
    "separable_hashed",
    "low_rank",
    "tied_low_rank",
    "tucker",
    "tensor_train",
    "cp",
    "acdc",
]
"""The families of `gradbook.lowrank.convs`, known without TensorFlow."""

"""Masked growth: blocks that are switched in one after the other, each behind a mask that goes from 0 to 1."""

import numpy as np

from gradbook import ops
from gradbook.errors import InputError
from gradbook.gradnets.blocks.block import Block, Tensor, start
from gradbook.gradnets.initializers import he


def growth(blocks: int, end: float = 0.5, overlap: float = 0.25) -> Block:
    """Return blocks x + gᵢ relu(x W + b)/√L whose masks open from the first to the last.

    The mask of block i of L rises from 0 to 1 while progress goes from sᵢ to sᵢ + overlap·end, with sᵢ = (1 - overlap)
    end·i/(L - 1). A block whose mask is 0 is not there: the network grows, and a step of growth changes no output.

    Args:
        blocks: L.
        end: progress at which the last mask is open, in (0, 1].
        overlap: the part of that time in which one mask opens, in (0, 1].

    Raises:
        InputError: an end or an overlap out of its range.

    Source: the masks of Yao et al. 2023, arXiv 2305.02869, there for transformers.
    """
    for name, value in (("end", end), ("overlap", overlap)):
        if not 0 < value <= 1:
            raise InputError(f"{name} must be in (0, 1]; received {value}.")
    starts = np.linspace(0, (1 - overlap) * end, blocks, dtype=np.float32)

    def function(x: Tensor, gate: Tensor, w: Tensor, b: Tensor) -> Tensor:
        return x + gate / np.float32(np.sqrt(blocks)) * ops.relu(x @ w + b)

    def gates(progress: Tensor, coins: Tensor | None = None) -> Tensor:
        return ops.clip((progress - starts) / np.float32(overlap * end), 0, 1)

    return Block(function, start(he, blocks), gates)

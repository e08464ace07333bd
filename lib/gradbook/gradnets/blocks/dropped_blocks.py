"""Stochastic depth: a coin for each block and each batch decides whether the block is there."""

import numpy as np

from gradbook import ops
from gradbook.errors import InputError
from gradbook.gradnets.blocks.block import Block, Tensor, start
from gradbook.gradnets.initializers import he


def stochastic_depth(blocks: int, last: float = 0.5) -> Block:
    """Return the blocks x + g (relu(x) W + b)/√L, where g is 1 with probability pᵢ and else 0, and pᵢ at test time.

    Args:
        blocks: L.
        last: p_L, see `survival`.

    Raises:
        InputError: as in `survival`.

    Source: Huang et al. 2016, arXiv 1603.09382, there with batch normalisation in place of 1/√L.
    """
    p = survival(blocks, last).astype(np.float32)

    def function(x: Tensor, gate: Tensor, w: Tensor, b: Tensor) -> Tensor:
        return x + gate / np.float32(np.sqrt(blocks)) * (ops.relu(x) @ w + b)

    def gates(progress: Tensor, coins: Tensor | None = None) -> Tensor:
        return ops.convert_to_tensor(p) if coins is None else ops.cast(coins < p, "float32")

    return Block(function, start(he, blocks), gates)


def survival(blocks: int, last: float = 0.5) -> np.ndarray:
    """Return the probabilities pᵢ = 1 - i/L (1 - p_L) that block i = 1, …, L is there.

    Their sum, the expected depth, is (3L - 1)/4 where p_L is ½.

    Args:
        blocks: L.
        last: p_L, in [0, 1].

    Raises:
        InputError: a p_L that is no probability.

    >>> round(float(survival(54).sum()), 9)
    40.25
    """
    if not 0 <= last <= 1:
        raise InputError(f"last must be in [0, 1]; received {last}.")
    return 1 - np.arange(1, blocks + 1) / blocks * (1 - last)

"""SkipInit: one learnt number at the end of each residual branch, and the variance that a constant one gives."""

import numpy as np

from gradbook import ops
from gradbook.gradnets.blocks.block import Block, Tensor, always, start
from gradbook.gradnets.initializers import he


def skipinit(blocks: int) -> Block:
    """Return blocks x + α (relu(x) W + b) with one learnt α for each, which starts at 0.

    Unlike in ReZero the activation stands before the matrix, so that a block can add what is negative.

    Source: De and Smith 2020, arXiv 2002.10444.
    """

    def function(x: Tensor, gate: Tensor, w: Tensor, b: Tensor, alpha: Tensor) -> Tensor:
        return x + alpha * (ops.relu(x) @ w + b)

    return Block(function, start(he, blocks, np.zeros(blocks)), always(1, blocks))


def scaled(blocks: int) -> Block:
    """Return blocks x + (relu(x) W + b)/√L, with nothing to learn or to open: the constant that SkipInit allows.

    Source: De and Smith 2020, arXiv 2002.10444.
    """

    def function(x: Tensor, gate: Tensor, w: Tensor, b: Tensor) -> Tensor:
        return x + gate * (ops.relu(x) @ w + b)

    return Block(function, start(he, blocks), always(blocks**-0.5, blocks))


def variance_growth(blocks: int, alpha: float) -> float:
    """Return by what the variance grows on its way through blocks with a constant α, (1 + α²)ᴸ.

    Each branch relu(x) W with weights of variance 2/width has the variance of its input, if x is symmetric. So α = 1
    gives 2ᴸ, and α = 1/√L at most e.

    >>> variance_growth(10, 1.0), round(variance_growth(50, 50**-0.5), 2)
    (1024.0, 2.69)
    """
    return (1 + alpha**2) ** blocks

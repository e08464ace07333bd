"""ReZero: every block begins as the identity, and learns how much of itself to add."""

import numpy as np

from gradbook import ops
from gradbook.gradnets.blocks.block import Block, Tensor, always, start
from gradbook.gradnets.initializers import he


def rezero(blocks: int) -> Block:
    """Return blocks x + α relu(x W + b) with one learnt α for each, which starts at 0.

    At the start the Jacobian is the identity, W has no gradient, and that of αᵢ is ⟨∂loss/∂x_L, relu(x Wᵢ + bᵢ)⟩: the
    gate opens first.

    Source: Bachlechner et al. 2020, arXiv 2003.04887.
    """

    def function(x: Tensor, gate: Tensor, w: Tensor, b: Tensor, alpha: Tensor) -> Tensor:
        return x + alpha * ops.relu(x @ w + b)

    return Block(function, start(he, blocks, np.zeros(blocks)), always(1, blocks))

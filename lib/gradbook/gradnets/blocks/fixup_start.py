"""Fixup: residual branches that start at zero, and whose other weights are scaled for the number of branches."""

import numpy as np

from gradbook import ops
from gradbook.errors import InputError
from gradbook.gradnets.blocks.block import Block, Tensor, always
from gradbook.gradnets.initializers import he


def fixup(layers: int) -> Block:
    """Return blocks of two matrices each, the second of which starts at 0.

    With h = relu((x + b₁) W₁ + b₂) + b₃ a block is relu(x + s h W₂ + b₄). The numbers b start at 0, s at 1, and W₁
    after He et al., times `fixup_scale`. Behind a ReLU a block starts as the identity.

    Args:
        layers: matrices in all, even.

    Raises:
        InputError: none, or an odd number.

    Source: Zhang et al. 2019, arXiv 1901.09321.
    """
    if layers < 2 or layers % 2:
        raise InputError(f"layers of fixup must be even and 2 or more; received {layers}.")
    blocks = layers // 2

    def function(x: Tensor, gate: Tensor, w_1: Tensor, w_2: Tensor, numbers: Tensor) -> Tensor:
        b_1, b_2, b_3, b_4, scale = (numbers[i] for i in range(5))
        inner = ops.relu((x + b_1) @ w_1 + b_2) + b_3
        return ops.relu(x + scale * (inner @ w_2) + b_4)

    def initial(width: int, draw: np.random.Generator) -> list[np.ndarray]:
        numbers = np.tile([0.0, 0, 0, 0, 1], (blocks, 1))
        shape = blocks, width, width
        return [fixup_scale(blocks) * he(shape, draw), np.zeros(shape), numbers]

    return Block(function, initial, always(1, blocks))


def fixup_scale(blocks: int, layers: int = 2) -> float:
    """Return L^(-1/(2m-2)), the factor on all weights of a branch but its last.

    Args:
        blocks: L, the number of residual blocks, not of layers.
        layers: m ≥ 2, matrices in a branch.

    >>> round(fixup_scale(16, layers=3), 6)
    0.5
    """
    return blocks ** (-1 / (2 * layers - 2))

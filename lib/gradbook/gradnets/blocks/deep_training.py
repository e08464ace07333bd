"""The deep training of VanillaNet: a gate that closes. Activations vanish, and layers are merged in pairs."""

import numpy as np

from gradbook import ops
from gradbook.errors import InputError
from gradbook.gradnets.blocks.annealed import gated_relu
from gradbook.gradnets.blocks.block import Block, Tensor, start
from gradbook.gradnets.initializers import he


def vanillanet(blocks: int, end: float = 0.5) -> Block:
    """Return layers (1-λ) relu(u) + λ u, u = x W + b, where λ of every second one goes from 0 to 1; the gate is 1 - λ.

    At λ = 1 such a layer is linear and can be merged into the next: half of the layers are left.

    Args:
        blocks: how many layers.
        end: progress at which λ is 1, in (0, 1].

    Raises:
        InputError: an end out of its range.

    Source: Chen et al. 2023, arXiv 2305.12972.
    """
    if not 0 < end <= 1:
        raise InputError(f"end must be in (0, 1]; received {end}.")
    closing = np.arange(blocks) % 2 == 0

    def gates(progress: Tensor, coins: Tensor | None = None) -> Tensor:
        return 1 - closing.astype(np.float32) * ops.clip(progress / np.float32(end), 0, 1)

    return Block(gated_relu, start(he, blocks), gates)


def merge(first: tuple[Tensor, Tensor], second: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Return the one layer W₁W₂, b₁W₂ + b₂ that computes what two linear layers compute one after the other.

    Args:
        first, second: W [inputs, units] and b [units] of each.

    >>> [float(b) for b in merge((np.eye(2), np.ones(2)), (2 * np.eye(2), np.ones(2)))[1]]
    [3.0, 3.0]
    """
    (w, b), (w_2, b_2) = first, second
    return ops.matmul(w, w_2), ops.matmul(b, w_2) + b_2

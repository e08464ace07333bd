"""DeepNorm: layer normalisation after the sum, with a heavier skip and lighter branches the deeper the network is."""

import numpy as np

from gradbook import ops
from gradbook.gradnets.blocks.block import Block, Tensor, always
from gradbook.gradnets.initializers import he


def deepnorm(blocks: int) -> Block:
    """Return blocks LN(α x + relu(x W + b)) whose W start after He et al., times β; α, β of `deepnorm_constants`.

    Where the branches are 0 and x is normalised, the Jacobian is the projection I - 1 1ᵀ/n - x xᵀ/n, at any depth.

    Source: Wang et al. 2022, arXiv 2203.00555.
    """
    alpha, beta = deepnorm_constants(blocks / 2)

    def function(x: Tensor, gate: Tensor, w: Tensor, b: Tensor, gain: Tensor, shift: Tensor) -> Tensor:
        return normalised(gate * x + ops.relu(x @ w + b)) * gain + shift

    return Block(function, lambda width, draw: _initial(beta, blocks, width, draw), always(alpha, blocks))


def layernorm(blocks: int) -> Block:
    """Return layers LN(relu(x W + b)), with neither skip nor constants: the control of the ReZero paper's notebook."""

    def function(x: Tensor, gate: Tensor, w: Tensor, b: Tensor, gain: Tensor, shift: Tensor) -> Tensor:
        return normalised(ops.relu(x @ w + b)) * gain + shift

    return Block(function, lambda width, draw: _initial(1.0, blocks, width, draw), always(1, blocks))


def normalised(x: Tensor, epsilon: float = 1e-5) -> Tensor:
    """Return x with mean 0 and variance 1 over the last axis, gradients passing through both."""
    centred = x - ops.mean(x, axis=-1, keepdims=True)
    return centred / ops.sqrt(ops.mean(centred * centred, axis=-1, keepdims=True) + epsilon)


def deepnorm_constants(layers: float) -> tuple[float, float]:
    """Return α = (2N)^¼ and β = (8N)^-¼ of N layers with two branches each, for which 4N β²/α² = 1.

    Args:
        layers: N > 0; half the number of branches.

    >>> [round(constant, 4) for constant in deepnorm_constants(12)]
    [2.2134, 0.3195]
    """
    return (2 * layers) ** 0.25, (8 * layers) ** -0.25


def _initial(beta: float, blocks: int, width: int, draw: np.random.Generator) -> list[np.ndarray]:
    ones = np.ones((blocks, width))
    return [beta * he((blocks, width, width), draw), 0 * ones, ones, 0 * ones]

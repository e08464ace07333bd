"""Errors sent down through fixed random matrices (Lillicrap et al. 2016; Nøkland 2016)."""

from collections.abc import Sequence
from typing import Any

from gradbook import ops
from gradbook.errors import InputError

Tensor = Any


def feedback_alignment(feedback: Sequence[Tensor], slopes: Sequence[Tensor], error: Tensor) -> list[Tensor]:
    """Return the messages of feedback alignment, layer by layer from the error down:

        δ_L = e B_{L+1},   δ_k = (δ_{k+1} ⊙ φ′(a_{k+1})) B_{k+1}.

    With B_k = W_kᵀ they are the gradients of backpropagation.

    Source: Lillicrap et al. 2016, arXiv 1411.0247.

    Args:
        feedback: B₂ … B_{L+1}, one for each layer above the first, [units, units below], the readout's last.
        slopes: φ′(a₁) … φ′(a_L), [n, units].
        error: e = ŷ - y, the gradient of each example's loss at the network's output, [n, classes].

    Raises:
        InputError: matrices and slopes are not as many.

    >>> import numpy as np
    >>> messages = feedback_alignment([np.array([[2.0]]), np.array([[3.0]])], np.ones([2, 1, 1]), np.array([[1.0]]))
    >>> [message.tolist() for message in messages]
    [[[6.0]], [[3.0]]]
    """
    if len(feedback) != len(slopes):
        raise InputError(
            f"feedback must have one matrix for each hidden layer; received {len(feedback)} for {len(slopes)}."
        )
    *matrices, last = feedback
    messages = [error @ last]
    for matrix, slope in zip(reversed(matrices), reversed(slopes[1:]), strict=True):
        messages.append((messages[-1] * slope) @ matrix)
    return messages[::-1]


def direct_feedback_alignment(feedback: Sequence[Tensor], error: Tensor) -> list[Tensor]:
    """Return the messages of direct feedback alignment, δ_k = e B_k: all at once, none waits for another.

    The derivative φ′(a_k) is left to the layer that receives the message.

    Source: Nøkland 2016, arXiv 1609.01596.

    Args:
        feedback: B₁ … B_L, [classes, units].
        error: e = ŷ - y, [n, classes].

    >>> import numpy as np
    >>> direct_feedback_alignment([np.array([[2.0, -1.0]])], np.array([[0.5]]))[0].tolist()
    [[1.0, -0.5]]
    """
    return [error @ matrix for matrix in feedback]


def conserved(kernel: Tensor, readout: Tensor, feedback: Tensor) -> Tensor:
    """Return V B + BᵀVᵀ - WᵀW, which feedback alignment keeps while it trains the linear network x W V.

    It does so to first order in the learning rate: W changes by -η xᵀe B and V by -η Wᵀxᵀe, so that V B + BᵀVᵀ changes
    as WᵀW does.
    From weights of zero V B + BᵀVᵀ is WᵀW, and ⟨V, Bᵀ⟩ ≥ 0: the readout turns towards the feedback matrix.

    Args:
        kernel: W [inputs, units].
        readout: V [units, classes].
        feedback: B [classes, units].

    Returns:
        [units, units], symmetric.

    >>> import numpy as np
    >>> np.asarray(conserved(np.array([[2.0]]), np.array([[3.0]]), np.array([[1.0]]))).tolist()
    [[2.0]]
    """
    product = readout @ feedback
    return product + ops.transpose(product) - ops.transpose(kernel) @ kernel

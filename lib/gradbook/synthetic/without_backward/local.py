"""Losses of a layer's own: what it needs besides its output is the label (Nøkland and Eidnes 2019)."""

from typing import Any

from gradbook import ops
from gradbook.synthetic.without_backward.dense import Layer

Tensor = Any


def prediction_message(features: Tensor, readout: Layer, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return the gradient of a local cross-entropy at a layer's output, and the error that its own readout learns from:

        δ = e Rᵀ,   e = softmax(h R + c) - y.

    Nothing above the layer enters. This is greedy learning with a linear auxiliary classifier.

    Source: Nøkland and Eidnes 2019, arXiv 1901.06656, loss "pred"; Belilovsky et al. 2020, arXiv 1901.08164.

    Args:
        features: h [n, units].
        readout: R [units, classes] and c [classes], the layer's own.
        labels: y, one-hot [n, classes].

    >>> import numpy as np
    >>> readout = Layer(np.array([[1.0, -1.0]]), np.zeros(2))
    >>> message, error = prediction_message(np.array([[0.0]]), readout, np.array([[1.0, 0.0]]))
    >>> np.asarray(message).tolist(), np.asarray(error).tolist()
    ([[-1.0]], [[-0.5, 0.5]])
    """
    error = ops.softmax(features @ readout.kernel + readout.bias) - labels
    return error @ ops.transpose(readout.kernel), error


def similarities(features: Tensor) -> Tensor:
    """Return S, the cosines between the examples' centred features, [n, n]; 0 where all features of one are equal.

    Centred means: minus the mean of the example's own features. So one-hot labels of C classes have the similarity 1
    within a class and -1/(C - 1) across.

    Source: the code of Nøkland and Eidnes 2019.

    Args:
        features: [n, units].

    >>> import numpy as np
    >>> np.asarray(similarities(np.eye(3)))[0].round(6).tolist()
    [1.0, -0.5, -0.5]
    """
    unit, _ = _directions(features)
    return unit @ ops.transpose(unit)


def similarity_message(features: Tensor, labels: Tensor) -> Tensor:
    """Return the gradient of n times the similarity-matching loss, the mean over all pairs of (S(h) - S(y))².

    Source: Nøkland and Eidnes 2019, loss "sim"; theirs sends h through a linear map of its own first.

    Args:
        features: h [n, units].
        labels: y, one-hot [n, classes].

    >>> import numpy as np
    >>> np.abs(similarity_message(np.eye(3), np.eye(3))).max().item()
    0.0
    """
    unit, norms = _directions(features)
    examples = ops.cast(ops.shape(features)[0], unit.dtype)
    at_unit = 4 * (unit @ ops.transpose(unit) - similarities(labels)) @ unit / examples
    along = ops.sum(at_unit * unit, axis=1, keepdims=True)
    at_centred = ops.divide_no_nan(at_unit - along * unit, norms)
    return at_centred - ops.mean(at_centred, axis=1, keepdims=True)


def _directions(features: Tensor) -> tuple[Tensor, Tensor]:
    """Return each example's centred features as a unit vector, and their norms [n, 1]."""
    centred = features - ops.mean(features, axis=1, keepdims=True)
    varies = ops.max(features, axis=1, keepdims=True) > ops.min(features, axis=1, keepdims=True)  # a mean is rounded
    norms = ops.sqrt(ops.sum(centred * centred, axis=1, keepdims=True)) * ops.cast(varies, centred.dtype)
    return ops.divide_no_nan(centred, norms), norms

"""Forward-forward: a layer tells right inputs from wrong ones by the squares of its output (Hinton 2022)."""

from typing import Any

from gradbook import ops

Tensor = Any


def goodness(features: Tensor) -> Tensor:
    """Return Σ h² for each example, [n].

    >>> import numpy as np
    >>> np.asarray(goodness(np.array([[1.0, 2.0]]))).tolist()
    [5.0]
    """
    return ops.sum(features * features, axis=-1)


def goodness_message(features: Tensor, positive: Tensor, threshold: float) -> Tensor:
    """Return the gradient of the layer's loss -log p at its output, where p is what it thinks of the right answer:

        δ = -2 (1 - p) h  and  p = σ(Σ h² - θ)  for positive examples,
        δ = +2 (1 - p) h  and  p = σ(θ - Σ h²)  for negative ones.

    So goodness rises for positive examples and falls for negative ones.

    Source: Hinton 2022, arXiv 2212.13345. A known replication, loeweX/Forward-Forward, has the layer's width for θ.

    Args:
        features: h [n, units].
        positive: 1 for a positive example, 0 for a negative one, [n], of the features' type.
        threshold: θ.

    >>> import numpy as np
    >>> np.asarray(goodness_message(np.array([[1.0], [1.0]]), np.array([1.0, 0.0]), 1.0)).tolist()
    [[-1.0], [1.0]]
    """
    wrong = ops.sigmoid(goodness(features) - threshold) - positive
    return 2 * wrong[:, None] * features


def normalize(features: Tensor, epsilon: float = 1e-8) -> Tensor:
    """Return features over their root mean square, example by example: the next layer must not read the goodness off.

    Args:
        features: [n, units].
        epsilon: added to the root mean square.

    >>> import numpy as np
    >>> np.asarray(normalize(np.array([[3.0, 3.0], [0.0, 0.0]]))).round(6).tolist()
    [[1.0, 1.0], [0.0, 0.0]]
    """
    return features / (ops.sqrt(ops.mean(features * features, axis=-1, keepdims=True)) + epsilon)

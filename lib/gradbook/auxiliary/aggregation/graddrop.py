"""GradDrop: at each coordinate, one sign at random, the likelier the more the gradients agree on it."""

from collections.abc import Sequence
from typing import Any

import lazy_loader
import numpy as np

keras = lazy_loader.load("keras")


def graddrop(parts: Sequence[Any], random: np.random.Generator) -> Any:
    """Return Σ gᵢ at each coordinate over the gradients of one sign only.

    The positive ones are kept with probability P = ½(1 + Σ gᵢ/Σ |gᵢ|), else the negative ones. The mean over draws is
    the sum of the gradients. The paper applies it to gradients of activations; this is the form for weights.

    Args:
        parts: the gradients of one variable, one for each task that uses it, of one shape.
        random: where the draws come from.

    Source: Chen et al. 2020, arXiv 2010.06808, algorithm 1.
    """
    stacked = keras.ops.stack(list(parts))
    total, size = keras.ops.sum(stacked, axis=0), keras.ops.sum(keras.ops.abs(stacked), axis=0)
    positive = 0.5 * (1 + total / keras.ops.where(size > 0, size, keras.ops.ones_like(size)))
    drawn = keras.ops.cast(random.random(tuple(total.shape)), total.dtype)
    kept = keras.ops.where(positive > drawn, keras.ops.maximum(stacked, 0), keras.ops.minimum(stacked, 0))
    return keras.ops.sum(kept, axis=0)

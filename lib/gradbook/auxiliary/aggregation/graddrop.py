"""GradDrop: at each coordinate, one sign at random, the likelier the more the gradients agree on it."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradbook import ops
from gradbook.auxiliary.aggregation.gramian import on_host


def graddrop(parts: Sequence[Any], random: np.random.Generator) -> Any:
    """Return Σ gᵢ at each coordinate over the gradients of one sign only.

    The positive ones are kept with probability P = ½(1 + Σ gᵢ/Σ |gᵢ|), else the negative ones. The mean over draws is
    the sum of the gradients. The paper applies it to gradients of activations; this is the form for weights.

    Args:
        parts: the gradients of one variable, one for each task that uses it, of one shape.
        random: where the draws come from.

    Source: Chen et al. 2020, arXiv 2010.06808, algorithm 1.
    """
    import keras

    stacked = ops.stack(list(parts))
    kind, wide = stacked.dtype, keras.backend.result_type("float32", stacked.dtype)
    stacked = ops.cast(stacked, wide)
    total, size = ops.sum(stacked, axis=0), ops.sum(ops.abs(stacked), axis=0)
    positive = 0.5 * (1 + total / ops.where(size > 0, size, ops.ones_like(size)))
    # below 1 in float32 too, or P = 1 would not be certain
    drawn = on_host(lambda like: np.minimum(random.random(like.shape), 1 - 2.0**-24), total, total.shape)
    kept = ops.where(positive > drawn, ops.maximum(stacked, 0), ops.minimum(stacked, 0))
    return ops.cast(ops.where(ops.isfinite(size), ops.sum(kept, axis=0), np.nan), kind)

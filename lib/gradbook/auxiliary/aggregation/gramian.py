"""The Gramian of the gradients of m tasks: all that most aggregators look at, and never more than m×m numbers."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gradbook import ops
from gradbook.errors import InputError

Tensor = Any
Gradient = Tensor | Sequence[Tensor | None]
"""One task's gradient: a tensor, or one for each variable, None for a variable that the task does not use."""


def factor(gramian: np.ndarray) -> np.ndarray:
    """Return a matrix L with LᵀL = G, whatever the rank of G; float64 [m, m]."""
    values, vectors = np.linalg.eigh(gramian)
    return np.sqrt(np.maximum(values, 0))[:, None] * vectors.T


def gramian(gradients: Sequence[Sequence[Tensor | None]]) -> Tensor:
    """Return gᵢ·gⱼ for all pairs of tasks, summed over the variables that both use, [m, m].

    It is of the widest type among the gradients, at least float32, in which squares do not vanish or overflow so soon.
    """
    import keras

    used = [part for one in gradients for part in one if part is not None]
    kind = keras.backend.result_type("float32", *(part.dtype for part in used))
    wide = [[None if part is None else ops.cast(part, kind) for part in one] for one in gradients]

    def product(i: int, j: int) -> Tensor:
        pairs = [(a, b) for a, b in zip(wide[i], wide[j], strict=True) if a is not None and b is not None]
        return sum((ops.sum(a * b) for a, b in pairs), ops.zeros((), kind))

    half = {(i, j): product(i, j) for i in range(len(wide)) for j in range(i + 1)}
    rows = [[half[max(i, j), min(i, j)] for j in range(len(wide))] for i in range(len(wide))]
    return ops.stack([ops.stack(row) for row in rows])


def combine(gradients: Sequence[Sequence[Tensor | None]], weights: Tensor) -> list[Tensor | None]:
    """Return Σ wᵢ gᵢ for each variable, in the variable's type; None where no task uses it."""
    combined = []
    for parts in zip(*gradients, strict=True):
        used = [(i, part) for i, part in enumerate(parts) if part is not None]
        terms = [ops.cast(weights[i], part.dtype) * part for i, part in used]
        combined.append(sum(terms[1:], terms[0]) if terms else None)
    return combined


def on_host(weights: Callable[[np.ndarray], np.ndarray], gramian: Tensor) -> Tensor:
    """Return the weights for a Gramian, computed by NumPy in float64, inside compiled functions too.

    TensorFlow and JAX call back to the host for them: m×m numbers go there and m come back.
    """
    import keras

    def computed(given: np.ndarray) -> np.ndarray:
        values = np.asarray(given, np.float64)
        if not np.isfinite(values).all():
            raise InputError("gradients must be finite; their products are not.")
        return np.asarray(weights(values) if values.any() else np.zeros(len(values)), given.dtype)

    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        if not tf.executing_eagerly():
            found = tf.numpy_function(computed, [gramian], gramian.dtype)
            found.set_shape(gramian.shape[:1])
            return found
    if backend == "jax":
        import jax

        if isinstance(gramian, jax.core.Tracer):
            return jax.pure_callback(computed, jax.ShapeDtypeStruct(gramian.shape[:1], gramian.dtype), gramian)
    return ops.convert_to_tensor(computed(ops.convert_to_numpy(gramian)))

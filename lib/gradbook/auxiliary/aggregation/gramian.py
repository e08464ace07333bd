"""The Gramian of the gradients of m tasks: all that most aggregators look at, and never more than m×m numbers."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gradbook import ops
from gradbook.auxiliary.rules import SAFE, magnitude

Tensor = Any
Gradient = Tensor | Sequence[Tensor | None]
"""One task's gradient: a tensor, or one for each variable, None for a variable that the task does not use."""


def cosines(gramian: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the cosines between the gradients, [m, m], and their norms, [m]; for one that is zero 0, and 1."""
    norms = np.sqrt(np.diag(gramian))
    norms = np.where(norms > 0, norms, 1.0)
    return gramian / np.outer(norms, norms), norms


def factor(gramian: np.ndarray) -> np.ndarray:
    """Return a matrix L with LᵀL = G, whatever the rank of G; float64 [m, m]."""
    values, vectors = np.linalg.eigh(gramian)
    return np.sqrt(np.maximum(values, 0))[:, None] * vectors.T


@np.errstate(over="ignore", invalid="ignore")
def gramian(gradients: Sequence[Sequence[Tensor | None]]) -> Tensor:
    """Return the products of gradients gᵢ/sᵢ for all pairs of tasks, and as a last row the scales sᵢ, [m + 1, m].

    A scale is 1 where ‖gᵢ‖² is safe, else the magnitude of the gradient, so that no product overflows or vanishes.
    All is of the widest type among the gradients, at least float32.
    """
    import keras

    used = [part for one in gradients for part in one if part is not None]
    kind = keras.backend.result_type("float32", *(part.dtype for part in used))
    wide = [[None if part is None else ops.cast(part, kind) for part in one] for one in gradients]
    plain = _products(wide, kind)
    squares, (least, most) = ops.diagonal(plain), SAFE["uu"]
    safe = ops.logical_and(squares > least, squares < most)

    def scaled() -> Tensor:
        parts = [[part for part in one if part is not None] for one in wide]
        magnitudes = ops.stack([magnitude(one or [ops.zeros((), kind)]) for one in parts])
        scales = ops.where(safe, ops.ones_like(magnitudes), magnitudes)
        small = [[None if part is None else part / scales[i] for part in one] for i, one in enumerate(wide)]
        return ops.concatenate([_products(small, kind), scales[None]])

    return ops.cond(ops.all(safe), lambda: ops.concatenate([plain, ops.ones_like(plain[:1])]), scaled)


def _products(gradients: Sequence[Sequence[Tensor | None]], kind: str) -> Tensor:
    """Return gᵢ·gⱼ for all pairs of tasks, summed over the variables that both use, [m, m]."""

    def product(i: int, j: int) -> Tensor:
        pairs = [(a, b) for a, b in zip(gradients[i], gradients[j], strict=True) if a is not None and b is not None]
        return sum((ops.sum(a * b) for a, b in pairs), ops.zeros((), kind))

    half = {(i, j): product(i, j) for i in range(len(gradients)) for j in range(i + 1)}
    rows = [[half[max(i, j), min(i, j)] for j in range(len(gradients))] for i in range(len(gradients))]
    return ops.stack([ops.stack(row) for row in rows])


def combine(gradients: Sequence[Sequence[Tensor | None]], weights: Tensor) -> list[Tensor | None]:
    """Return Σ wᵢ gᵢ for each variable, in the variable's type but summed in that of the weights, which may be large.

    None where no task uses the variable.
    """
    combined = []
    for parts in zip(*gradients, strict=True):
        used = [(i, part) for i, part in enumerate(parts) if part is not None]
        terms = [weights[i] * ops.cast(part, weights.dtype) for i, part in used]
        combined.append(ops.cast(sum(terms[1:], terms[0]), used[0][1].dtype) if used else None)
    return combined


def weigh(weights: Callable[[np.ndarray], np.ndarray], scaled: np.ndarray) -> np.ndarray:
    """Return the weights for what `gramian` gives, found in float64: 0 where it is zero, NaN where it is not finite."""
    *products, scales = np.asarray(scaled, np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        products = np.outer(scales, scales) * products
    if not np.isfinite(products).all():
        return np.full(len(products), np.nan)
    return weights(products) if products.any() else np.zeros(len(products))


def on_host(function: Callable[[np.ndarray], np.ndarray], given: Tensor, shape: Sequence[int]) -> Tensor:
    """Return a tensor of this shape and the given one's type, computed by NumPy, inside compiled functions too.

    TensorFlow and JAX call back to the host for it, at every call anew.
    """
    import keras

    def computed(values: np.ndarray) -> np.ndarray:
        return np.asarray(function(np.asarray(values)), values.dtype)

    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        if not tf.executing_eagerly():
            found = tf.numpy_function(computed, [given], given.dtype)
            found.set_shape(shape)
            return found
    if backend == "jax":
        import jax

        if isinstance(given, jax.core.Tracer):
            return jax.pure_callback(computed, jax.ShapeDtypeStruct(tuple(shape), given.dtype), given)
    return ops.convert_to_tensor(computed(ops.convert_to_numpy(given)))

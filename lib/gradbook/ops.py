"""The operations of `keras.ops`, done by the framework of the tensors that they are given, whatever Keras' backend is.

Those that rules are made of take and return arrays of NumPy and tensors of JAX, PyTorch and TensorFlow. The others, and
what is given neither, are left to `keras.ops`. A framework comes along when it is first used, and not before.
"""

from collections.abc import Callable, Iterable
from functools import cache, partial
from types import ModuleType
from typing import Any

FRAMEWORKS = {name: name for name in ("numpy", "jax", "torch", "tensorflow")} | {"jaxlib": "jax"}
SAME = ("abs", "logical_and", "maximum", "minimum", "ones_like", "sign", "sqrt", "sum", "where", "zeros_like")
"""What each framework has under this name."""
NATIVE = (*SAME, "cast", "cond", "divide_no_nan", "max", "relu", "vdot")


def framework(value: Any) -> str | None:
    """Return whose tensor, or whose dtype, a value is: one of `FRAMEWORKS`, or None.

    >>> import numpy as np
    >>> framework(np.ones(2)), framework(1.0)
    ('numpy', None)
    """
    return _of_type(type(value))


def first_framework(values: Iterable[Any]) -> str | None:
    """Return whose the first tensor among values is, where arrays of NumPy count only if there are no others."""
    found = {framework(value): None for value in values}
    return next((name for name in found if name not in (None, "numpy")), "numpy" if "numpy" in found else None)


@cache
def _of_type(kind: type) -> str | None:
    roots = (parent.__module__.partition(".")[0] for parent in kind.__mro__)
    return next((FRAMEWORKS[root] for root in roots if root in FRAMEWORKS), None)


@cache
def __getattr__(name: str) -> Callable[..., Any]:
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return partial(_do, name) if name in NATIVE else _of_keras(name)


def _do(name: str, *arguments: Any, **options: Any) -> Any:
    owner = first_framework((*arguments, *options.values()))
    return (_TABLES[owner]()[name] if owner else _of_keras(name))(*arguments, **options)


def _of_keras(name: str) -> Callable[..., Any]:
    from keras import ops

    return getattr(ops, name)


@cache
def _numpy() -> dict[str, Callable[..., Any]]:
    import numpy as np

    return _arrays(np) | {"cond": _choose, "vdot": np.vdot}


@cache
def _jax() -> dict[str, Callable[..., Any]]:
    import jax

    def cond(predicate: Any, true: Callable[[], Any], false: Callable[[], Any]) -> Any:
        traced = isinstance(predicate, jax.core.Tracer)
        return jax.lax.cond(predicate, true, false) if traced else _choose(predicate, true, false)

    return _arrays(jax.numpy) | {"cond": cond, "vdot": lambda x, y: (x * y).sum()}


def _arrays(np: ModuleType) -> dict[str, Callable[..., Any]]:
    def divide_no_nan(x: Any, y: Any) -> Any:
        zero = y == 0
        return np.where(zero, np.zeros_like(x), x / np.where(zero, np.ones_like(y), y))

    return {name: getattr(np, name) for name in (*SAME, "max")} | {
        "cast": lambda x, dtype: np.asarray(x).astype(dtype),
        "divide_no_nan": divide_no_nan,
        "relu": lambda x: np.maximum(x, np.zeros_like(x)),
    }


@cache
def _torch() -> dict[str, Callable[..., Any]]:
    import torch

    def cast(x: Any, dtype: Any) -> Any:
        known = isinstance(dtype, torch.dtype)
        return torch.as_tensor(x).to(dtype if known else getattr(torch, getattr(dtype, "name", dtype)))

    def divide_no_nan(x: Any, y: Any) -> Any:
        zero = y == 0
        return torch.where(zero, 0.0, x / torch.where(zero, 1.0, y))

    def maximum(x: Any, y: Any) -> Any:
        return torch.clamp(x, min=y) if isinstance(x, torch.Tensor) else torch.clamp(y, min=x)

    def minimum(x: Any, y: Any) -> Any:
        return torch.clamp(x, max=y) if isinstance(x, torch.Tensor) else torch.clamp(y, max=x)

    def largest(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
        return torch.max(x) if axis is None else torch.amax(x, axis, keepdims)

    def vdot(x: Any, y: Any) -> Any:
        return torch.dot(x.reshape(-1), y.reshape(-1))

    own = {"cast": cast, "cond": _choose, "divide_no_nan": divide_no_nan, "maximum": maximum, "minimum": minimum}
    own |= {"max": largest, "vdot": vdot}
    return {name: getattr(torch, name) for name in (*SAME, "relu")} | own


@cache
def _tensorflow() -> dict[str, Callable[..., Any]]:
    import tensorflow as tf

    def vdot(x: Any, y: Any) -> Any:
        return tf.reduce_sum(x * y)

    own = {"max": tf.reduce_max, "sum": tf.reduce_sum, "divide_no_nan": tf.math.divide_no_nan, "relu": tf.nn.relu}
    own["vdot"] = vdot
    return {name: getattr(tf, name) for name in SAME if name != "sum"} | own | {"cast": tf.cast, "cond": tf.cond}


def _choose(predicate: Any, true: Callable[[], Any], false: Callable[[], Any]) -> Any:
    return true() if predicate else false()


_TABLES = {"numpy": _numpy, "jax": _jax, "torch": _torch, "tensorflow": _tensorflow}

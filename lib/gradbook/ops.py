"""The operations of `keras.ops`, which bring a backend along when the first of them is used, and not before."""

from typing import Any


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from keras import ops

    return getattr(ops, name)

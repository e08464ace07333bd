"""What arguments may be: each check gives the argument back, or refuses it in one sentence."""

from typing import Any

import numpy as np

from gradbook.errors import InputError


def positive_integer(name: str, value: Any) -> int:
    """Return a number that must be whole and positive."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise InputError(f"{name} must be a whole number, 1 or more; received {value!r}.")
    return int(value)


def square(name: str, value: Any) -> int:
    """Return one whole number from one or two equal ones."""
    if not isinstance(value, (list, tuple)):
        return positive_integer(name, value)
    if len(value) != 2 or value[0] != value[1]:
        raise InputError(f"{name} must be one number or two equal ones; received {value!r}.")
    return positive_integer(name, value[0])


def positive(name: str, value: Any, most: float = 1.0) -> float:
    """Return a number that must lie above 0 and not above `most`."""
    if not isinstance(value, (int, float, np.number)) or not 0 < value <= most:
        raise InputError(f"{name} must lie above 0 and not above {most:g}; received {value!r}.")
    return float(value)


def divides(name: str, value: int, channels: int) -> None:
    """Refuse a number that does not divide the channels."""
    if channels % value:
        raise InputError(f"{name} must divide the number of channels, {channels}; received {value}.")

"""What arguments may be: each check gives the argument back, or refuses it in one sentence."""

from typing import Any

import numpy as np

from gradbook.errors import InputError


class ChannelsError(InputError):
    """A refusal of what does not suit the channels of one layer, and may suit those of another."""


def positive_integer(name: str, value: Any) -> int:
    """Return a number that must be whole and positive.

    Raises:
        InputError: it is not.
    """
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise InputError(f"{name} must be a whole number, 1 or more; received {value!r}.")
    return int(value)


def square(name: str, value: Any) -> int:
    """Return one whole number from one or two equal ones.

    Raises:
        InputError: they are not equal, or not whole and positive.
    """
    if not isinstance(value, (list, tuple)):
        return positive_integer(name, value)
    if len(value) != 2 or value[0] != value[1]:
        raise InputError(f"{name} must be one number or two equal ones; received {value!r}.")
    return positive_integer(name, value[0])


def positive(name: str, value: Any, most: float = 1.0) -> float:
    """Return a number that must lie above 0 and not above `most`.

    Raises:
        InputError: it does not.
    """
    if not isinstance(value, (int, float, np.number)) or not 0 < value <= most:
        raise InputError(f"{name} must lie above 0 and not above {most:g}; received {value!r}.")
    return float(value)


def divides(name: str, value: int, channels: int) -> None:
    """Refuse a number that does not divide the channels.

    Raises:
        ChannelsError: it does not.
    """
    if channels % value:
        raise ChannelsError(f"{name} must divide the number of channels, {channels}; received {value}.")


def blocks_in_stage(depth: int) -> int:
    """Return the blocks in each of the three stages of a wide residual network: n of a depth of 6n + 4.

    Raises:
        InputError: a depth of another form.

    >>> blocks_in_stage(28)
    4
    """
    if depth < 10 or (depth - 4) % 6:
        raise InputError(f"depth must be 6n + 4 with n of 1 or more (10, 16, 22, 28, 40, …); received {depth}.")
    return (depth - 4) // 6

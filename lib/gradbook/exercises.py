"""Exercises that check an answer against one that is computed, and say in which direction to think."""

from collections.abc import Callable
from typing import Any

import numpy as np

from gradbook.errors import InputError


def exercise(
    solution: Callable[[], Any], *, too_low: str = "", too_high: str = "", otherwise: str = "", relative: float = 1e-2
) -> Callable[[Any], str]:
    """Make the function ``check`` of an exercise.

    Args:
        solution: computes the right answer: a number, an array of them, or anything that can be compared. It is called
            when an answer is checked, not before.
        too_low, too_high: a hint for a number that is too small or too large.
        otherwise: a hint for any other wrong answer.
        relative: how far a number may be off, as a fraction of the right one; 1e-9 beyond that counts as rounding.

    Returns:
        A function from an answer to one sentence for the reader; ``None`` stands for an answer not yet given.

    Raises:
        InputError: a ``relative`` out of [0, 1).

    >>> check = exercise(lambda: 2 / 3, too_low="Both terms count.", too_high="One term counts twice.")
    >>> check(None), check(0.667), check(1.0)
    ('Put your answer in place of None.', 'Right.', 'Too large. One term counts twice.')
    """
    if not 0 <= relative < 1:
        raise InputError(f"relative must be from 0 to below 1; received {relative}.")

    def check(answer: Any) -> str:
        if answer is None:
            return "Put your answer in place of None."
        right = solution()
        if not _is_number(right):
            same = np.shape(answer) == np.shape(right) and bool(np.all(_close(answer, right, relative)))
            return "Right." if same else f"Not yet. {otherwise}".strip()
        if not _is_number(answer):
            return f"The answer is a number; received {answer!r}."
        if _close(answer, right, relative):
            return "Right."
        low = float(answer) < float(right)
        return f"Too {'small' if low else 'large'}. {(too_low if low else too_high) or otherwise}".strip()

    return check


def _is_number(value: Any) -> bool:
    return np.ndim(value) == 0 and np.issubdtype(np.asarray(value).dtype, np.number)


def _close(answer: Any, right: Any, relative: float) -> Any:
    if np.issubdtype(np.asarray(right).dtype, np.number) and np.issubdtype(np.asarray(answer).dtype, np.number):
        return np.isclose(np.asarray(answer, float), np.asarray(right, float), rtol=relative, atol=1e-9)
    return np.asarray(answer) == np.asarray(right)

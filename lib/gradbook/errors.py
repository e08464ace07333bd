"""The two ways a request can fail: what was asked cannot be done, or it was tried and broke."""

from collections.abc import Iterable
from difflib import get_close_matches


class InputError(ValueError):
    """A refusal of what the user gave; the message names it, what was received and what is allowed. Exit code 2."""


class RunError(RuntimeError):
    """The failure of something that was started; the message says what to do next. Exit code 1."""


def unknown(kind: str, value: object, known: Iterable[str]) -> InputError:
    """Return the refusal of a name that is not among the known ones, with the nearest of them.

    >>> unknown("chapter", "10_concpt", ["10_concept", "11_imdb"])
    InputError("unknown chapter '10_concpt'; did you mean '10_concept'? Known: 10_concept, 11_imdb.")
    """
    names = list(known)
    near = get_close_matches(str(value), names, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return InputError(f"unknown {kind} {value!r}; {hint}Known: {', '.join(names)}.")

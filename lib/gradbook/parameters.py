"""The parameters of a chapter: what each may be, in words that are checked, and what the reader changed."""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from gradbook.errors import InputError

Declared = Mapping[str, tuple[Any, str]]
"""By name: the default, and what is allowed, as `problem` reads it."""

NUMBER = re.compile(
    r"an? (?P<kind>integer|number)(?: (?P<low>from|above) (?P<least>\S+?))?(?: (?P<high>up to|below) (?P<most>\S+))?"
)


class Changed(dict[str, Any]):
    """The parameters that differ from the page's own, by name; empty where the page is as published."""

    def __init__(self, values: Mapping[str, Any], declared: Declared) -> None:
        super().__init__({name: values[name] for name, (default, _) in declared.items() if values[name] != default})
        self._defaults = {name: default for name, (default, _) in declared.items()}

    def note(self) -> None:
        """Show what was changed, where the text around describes what the defaults gave; nothing at the defaults."""
        if self:
            _show(f"The text here describes the page's own parameters. You changed {self}.")

    def allows(self, *names: str, why: str) -> bool:
        """Return whether these parameters have their defaults; where not, say why the section needs them.

        Args:
            names: parameters that the section needs as they are; none stands for all.
            why: one sentence, such as "The published curve has ten epochs."
        """
        touched = {name: value for name, value in self.items() if not names or name in names}
        if touched:
            _show(f"{why} So this section is left out with {_words(touched, self._defaults)}.")
        return not touched

    def __str__(self) -> str:
        """Return the changes in words."""
        return _words(self, self._defaults)


def _words(values: Mapping[str, Any], defaults: Mapping[str, Any]) -> str:
    return ", ".join(f"`{name} = {value!r}` (the page has {defaults[name]!r})" for name, value in values.items())


def _show(sentence: str) -> None:
    from IPython.display import Markdown, display

    display(Markdown(f"> **Note.** {sentence}"))


def check(values: Mapping[str, Any], declared: Declared) -> Changed:
    """Refuse values that a chapter cannot use, and say which differ from the page's own.

    Args:
        values: the notebook's names, ``globals()``.
        declared: the default of each parameter, and what it may be.

    Returns:
        The changed parameters; where there are any, a note is shown too.

    Raises:
        InputError: a value is not allowed.

    >>> check({"epochs": 10}, {"epochs": (10, "an integer from 1")})
    {}
    >>> check({"epochs": 0}, {"epochs": (10, "an integer from 1")})
    Traceback (most recent call last):
        ...
    gradbook.errors.InputError: epochs must be an integer from 1; received 0.
    """
    for name, (_, allowed) in declared.items():
        if (hint := problem(values[name], allowed)) is not None:
            raise InputError(f"{name} must be {allowed}; received {values[name]!r}{hint}.")
    changed = Changed(values, declared)
    if changed:
        _show(f"You changed {changed}. Sentences that describe results describe those of the page's own parameters.")
    return changed


def problem(value: Any, allowed: str) -> str | None:
    """Return None where a value is allowed; else a hint to append to the refusal, which may be empty.

    ``allowed`` is one of these: "an integer from 1 up to 9", "a number above 0 below 1" (either bound may be left out,
    "from" and "up to" include it), "one of a, b, c" (of digits: an integer), "true or false", "text", "a dataset of
    images", "a dataset of movie reviews", or "None or …" before any of them.

    >>> problem(0.5, "a number above 0 up to 1"), problem("projektion", "one of projection, orthogonal")
    (None, " (did you mean 'projection'?)")
    """
    if allowed.startswith("None or "):
        return None if value is None else problem(value, allowed.removeprefix("None or "))
    if match := NUMBER.fullmatch(allowed):
        return None if _in_range(value, match) else ""
    if allowed == "true or false":
        return None if isinstance(value, bool) else ""
    if allowed.startswith("one of "):
        known = choices(allowed)
        if type(value) in (int, str) and value in known.values():
            return None
        near = get_close_matches(str(value), known, n=1)
        return f" (did you mean {known[near[0]]!r}?)" if near else ""
    if allowed.startswith("a dataset of "):
        return _dataset_problem(value, allowed.removeprefix("a dataset of "))
    if allowed == "text":
        return None if isinstance(value, str) and value else ""
    raise ValueError(f"{allowed!r} is no description of what a parameter may be.")


def choices(allowed: str) -> dict[str, int | str]:
    """Return by its word each value of "one of a, b, c"; a word of digits stands for an integer.

    >>> choices("one of 16, 64"), choices("one of small, large")
    ({'16': 16, '64': 64}, {'small': 'small', 'large': 'large'})
    """
    words = allowed.removeprefix("one of ").split(", ")
    return {word: int(word) if word.isdecimal() else word for word in words}


def _in_range(value: Any, match: re.Match[str]) -> bool:
    kinds = int if match["kind"] == "integer" else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds):
        return False
    least, most = (float(bound) if bound else None for bound in (match["least"], match["most"]))
    above = least is None or (value > least if match["low"] == "above" else value >= least)
    below = most is None or (value < most if match["high"] == "below" else value <= most)
    return above and below and abs(value) < float("inf")


def _dataset_problem(value: Any, kind: str) -> str | None:
    from gradbook.data import SOURCES
    from gradbook.data.folder import is_there

    if not isinstance(value, str) or not value:
        return ""
    known = [name for name, source in SOURCES.items() if source.kind == kind]
    own = kind == "images"  # of images the reader's own are read, too
    if value in known or (own and value not in SOURCES and is_there(value)):
        return None
    if near := get_close_matches(value, known, n=1):
        return f" (did you mean {near[0]!r}?)"
    return f", which is neither one of {', '.join(known)} nor a path that exists" if own else f" ({', '.join(known)})"

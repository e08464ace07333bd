"""Chapters: what the folder of notebooks holds, which parameters each takes and which tables it reads."""

import ast
import math
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from reprlib import repr as brief
from typing import TYPE_CHECKING, Any

from gradbook.errors import InputError, unknown
from gradbook.files import BOOK
from gradbook.untrusted import read_yaml

if TYPE_CHECKING:
    from nbformat import NotebookNode

QUICK = "quick"
"""The profile of the committed twins: every chapter's own defaults, on embedded data."""


@dataclass(frozen=True)
class Chapter:
    """A chapter: ``notebooks/NN_name.py``, the source, and ``NN_name.ipynb``, its executed twin."""

    source: Path

    @property
    def name(self) -> str:
        """``NN_name``."""
        return self.source.stem

    @property
    def twin(self) -> Path:
        """The executed notebook, which the book prints and Colab opens."""
        return self.source.with_suffix(".ipynb")

    @cached_property
    def parameters(self) -> dict[str, Any]:
        """Name and default of each parameter, from the cell tagged ``parameters``.

        Raises:
            InputError: the chapter has no such cell, or it holds anything but assignments of plain literals.
        """
        tagged = [cell for cell in self._notebook.cells if "parameters" in cell.metadata.get("tags", [])]
        if len(tagged) != 1:
            raise InputError(f"{self.source.name} must have one cell tagged 'parameters'; received {len(tagged)}.")
        return literals(tagged[0].source, self.source.name)

    @property
    def reads(self) -> list[str]:
        """The tables of ``book/`` that its header declares, without suffix: ``gradbook: {reads: [ledger]}``."""
        return list(self._notebook.metadata.get("gradbook", {}).get("reads", []))

    @property
    def tables(self) -> list[Path]:
        """The files of the tables that it declares.

        Raises:
            InputError: the book has no such table.
        """
        found = {name: sorted(BOOK.glob(f"{name}.*")) for name in self.reads}
        for name, files in found.items():
            if not files:
                raise InputError(f"{self.source.name} declares to read {name!r}, but book/ has no such table.")
        return [path for files in found.values() for path in files]

    @cached_property
    def _notebook(self) -> "NotebookNode":
        import jupytext

        return jupytext.read(self.source)


def literals(code: str, where: str) -> dict[str, Any]:
    """Return the names and values of a cell of plain assignments.

    >>> literals("seed = 0  # any integer\\nrate: float = 1e-2", "example")
    {'seed': 0, 'rate': 0.01}
    """
    values = {}
    for statement in ast.parse(code).body:
        match statement:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=value)
                | ast.AnnAssign(target=ast.Name(id=name), value=value)
            ):
                with suppress(ValueError, TypeError):
                    values[name] = ast.literal_eval(value)
                    continue
        raise InputError(
            f"{where}: the parameters cell may hold NAME = LITERAL only; received {ast.unparse(statement)!r}."
        )
    return values


def find_chapters(root: Path, names: Sequence[str] = ()) -> list[Chapter]:
    """Return the chapters of a checkout in reading order, or those among ``names``.

    Raises:
        InputError: a name that is no chapter's.
    """
    chapters = {path.stem: Chapter(path) for path in sorted((root / "notebooks").glob("*.py"))}
    for name in names:
        if name not in chapters:
            raise unknown("chapter", name, chapters)
    return [chapter for name, chapter in chapters.items() if not names or name in names]


def profile_parameters(root: Path, profile: str) -> dict[str, dict[str, Any]]:
    """Return chapter → parameters of a profile in ``notebooks/profiles.yml``; the profile quick sets none.

    Raises:
        InputError: unknown profile, or a file of another form.
    """
    profiles = {QUICK: {}} | read_yaml(root / "notebooks/profiles.yml", dict[str, dict[str, dict[str, Any]]])
    if profile not in profiles:
        raise unknown("profile", profile, profiles)
    return profiles[profile]


def typed_parameters(chapter: Chapter, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the given parameters of a chapter, each of its default's type; text is read as a literal of that type.

    Raises:
        InputError: a parameter that the chapter does not have, or a value of another type.
    """
    for name in given:
        if name not in chapter.parameters:
            raise unknown(f"parameter of {chapter.name}", name, chapter.parameters)
    return {name: _typed(chapter, name, value) for name, value in given.items()}


def _typed(chapter: Chapter, name: str, value: Any) -> Any:
    default = chapter.parameters[name]
    if default is None:
        return value
    read = value
    if isinstance(value, str) and not isinstance(default, str):
        text = value.capitalize() if re.fullmatch("true|false", value) else value
        with suppress(ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            read = ast.literal_eval(text)
    if isinstance(default, float) and type(read) is int:
        with suppress(OverflowError):
            read = float(read)
    if type(read) is not type(default) or (type(read) is float and not math.isfinite(read)):
        takes = f"{type(default).__name__} (default {default!r})"
        raise InputError(f"parameter {name} of {chapter.name} takes {takes}; received {brief(value)}.")
    return read

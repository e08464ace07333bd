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
from gradbook.parameters import problem
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

    @cached_property
    def declared(self) -> dict[str, tuple[Any, str]]:
        """Default and allowed values of each parameter, from the cell that calls `gradbook.parameters.check`.

        Raises:
            InputError: what the cell declares is no literal.
        """
        for cell in self._notebook.cells:
            if cell.cell_type == "code" and "check(" in cell.source:
                for node in ast.walk(ast.parse(re.sub(r"^[%!].*", "", cell.source, flags=re.MULTILINE))):
                    match node:
                        case ast.Call(func=ast.Name(id="check"), args=[ast.Call(func=ast.Name(id="globals")), words]):
                            return _literal(words, self.source.name)
        return {}

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


def _literal(words: ast.expr, where: str) -> dict[str, tuple[Any, str]]:
    try:
        return ast.literal_eval(words)
    except (ValueError, TypeError):
        raise InputError(f"{where}: check must be given a literal of names, defaults and words.") from None


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
    """Return the given parameters of a chapter, as it allows them; text is read as a literal where one is meant.

    Raises:
        InputError: a parameter that the chapter does not have, or a value that it does not allow.
    """
    for name in given:
        if name not in chapter.parameters:
            raise unknown(f"parameter of {chapter.name}", name, chapter.parameters)
    return {name: _typed(chapter, name, value) for name, value in given.items()}


def _typed(chapter: Chapter, name: str, value: Any) -> Any:
    default, (_, allowed) = chapter.parameters[name], chapter.declared.get(name, (None, None))
    read = _meant(value, default) if isinstance(value, str) else value
    if isinstance(default, float) and type(read) is int:
        with suppress(OverflowError):
            read = float(read)
    for candidate in (read, value):
        if allowed and (hint := problem(candidate, allowed)) is None:
            return candidate
    if allowed:
        raise InputError(f"parameter {name} of {chapter.name} must be {allowed}; received {brief(value)}{hint}.")
    if default is not None and (type(read) is not type(default) or read in (math.inf, -math.inf) or read != read):
        takes = f"{type(default).__name__} (default {default!r})"
        raise InputError(f"parameter {name} of {chapter.name} takes {takes}; received {brief(value)}.")
    return read


def _meant(text: str, default: Any) -> Any:
    """Return the literal that a text stands for; the text itself where it is none, or where the default is a text."""
    if not isinstance(default, str):
        with suppress(ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            return ast.literal_eval(text.capitalize() if re.fullmatch("true|false", text) else text)
    return text

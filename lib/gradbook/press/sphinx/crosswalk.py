"""Equation ↔ function ↔ test: ``book/crosswalk.yml``, shown whole on a page of its own, and piece by piece elsewhere.

The directive ``{crosswalk}`` is the table. Below each equation, and in the reference's entry of
each function, the row appears by itself.
"""

import ast
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from docutils import nodes
from pydantic import BaseModel, ConfigDict
from sphinx import addnodes
from sphinx.environment import BuildEnvironment
from sphinx.transforms import SphinxTransform
from sphinx.util.docutils import SphinxDirective

from gradbook.errors import unknown
from gradbook.press.sphinx.directives import grid, listed, reference
from gradbook.untrusted import read_yaml


class Computed(BaseModel):
    """What the file says of an equation that has a function; see `Row`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    functions: tuple[str, ...]
    tests: tuple[str, ...]


@dataclass(frozen=True)
class Row:
    """An equation, and where it is computed and tested.

    Attributes:
        label: what the text refers to the equation by.
        page: where it stands, without suffix.
        formula: LaTeX.
        functions: dotted names of the functions and classes that compute it.
        tests: those that hold the functions to it, each as ``tests/…/test_….py::test_…``.
        reason: why it has no function, if it has none.
    """

    label: str
    page: str
    formula: str
    functions: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    reason: str = ""


@cache
def crosswalk(root: Path) -> list[Row]:
    """Return the rows of ``book/crosswalk.yml``, in its order.

    Raises:
        InputError: no page has an equation of that label, or the file is of another form.
    """
    entries = read_yaml(root / "book/crosswalk.yml", dict[str, str | Computed])
    known, rows = labelled(root), []
    for label, entry in entries.items():
        if label not in known:
            raise unknown("equation", label, known)
        rows.append(Row(label, *known[label], **({"reason": entry} if isinstance(entry, str) else dict(entry))))
    return rows


def labelled(root: Path) -> dict[str, tuple[str, str]]:
    """Return label → page and LaTeX of every labelled equation in the pages of ``book/`` and in chapters' sources."""
    found = {}
    for path in [*sorted(root.glob("book/*.md")), *sorted(root.glob("notebooks/*.py"))]:
        text = re.sub(r"^# ?", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        for formula, label in re.findall(r"^\$\$\n([^$]+)\n\$\$ \(([\w-]+)\)$", text, flags=re.MULTILINE):
            page = path.relative_to(root).with_suffix("").as_posix()
            found[label] = page, " ".join(formula.split()).rstrip(" .,")
    return found


def place(test: str, root: Path) -> str:
    """Return a test's file and lines, as the address of a repository ends: ``tests/….py#L3-L5``.

    Raises:
        InputError: the file has no such test.
    """
    path, _, name = test.partition("::")
    body = ast.parse((root / path).read_text(encoding="utf-8")).body
    tests = {node.name: node for node in body if isinstance(node, ast.FunctionDef)}
    if name not in tests:
        raise unknown(f"test in {path}", name, tests)
    return f"{path}#L{tests[name].lineno}-L{tests[name].end_lineno}"


class Crosswalk(SphinxDirective):
    """The table: one row per equation."""

    def run(self) -> list[nodes.Node]:
        """Make the table."""
        rows = map(self._row, crosswalk(Path(self.env.srcdir)))
        return [grid(["equation", "in the library", "tested"], rows, (3, 2, 3), "crosswalk")]

    def _row(self, row: Row) -> list[list[nodes.Node]]:
        formulas = listed([nodes.math("", one)] for one in row.formula.split(r", \qquad "))
        equation = [*formulas, nodes.Text(" is "), *_equation(row)]
        return [equation, [*_functions(row), nodes.Text(row.reason)], linked(row.tests, self.env)]


class Notes(SphinxTransform):
    """A line below each equation that names its functions, and one in each function's entry that names equations."""

    default_priority = 400  # before references are resolved

    def apply(self) -> None:
        """Add the lines to a page."""
        rows = crosswalk(Path(self.env.srcdir))
        computed = {row.label: row for row in rows if row.functions}
        for formula in list(self.document.findall(nodes.math_block)):
            if row := computed.get(formula.get("label")):
                formula.parent.insert(formula.parent.index(formula) + 1, self._note(_functions(row), [row]))
        for entry in list(self.document.findall(addnodes.desc)):
            name = entry[0].get("ids", [""])[0]
            if own := [row for row in rows if name in row.functions]:
                entry[-1].insert(1, self._note(listed(_equation(row) for row in own), own))

    def _note(self, what: list[nodes.Node], rows: list[Row]) -> nodes.paragraph:
        tests = linked(dict.fromkeys(test for row in rows for test in row.tests), self.env)
        return nodes.paragraph("", "", *what, nodes.Text("; tested: "), *tests, classes=["crosswalk"])


def _equation(row: Row) -> list[nodes.Node]:
    """Return its number, and the title of its page."""
    number = reference("math", "eq", row.label, nodes.inline("", row.label))
    page = reference("std", "doc", f"/{row.page}", nodes.inline("", row.page))
    return [number, nodes.Text(" of "), page]


def _functions(row: Row) -> list[nodes.Node]:
    """Return their names, which lead to the reference."""
    names = [nodes.literal("", name.removeprefix("gradbook.")) for name in row.functions]
    return listed([reference("py", "obj", *pair)] for pair in zip(row.functions, names, strict=True))


def linked(tests: Iterable[str], env: BuildEnvironment) -> list[nodes.Node]:
    """Return the names of tests as sentences, which lead to their lines in the repository."""
    options = env.config.html_theme_options
    address = f"{options['repository_url']}/blob/{options['repository_branch']}"
    words = [(test.partition("::test_")[2].replace("_", " "), place(test, Path(env.srcdir))) for test in tests]
    return listed([nodes.reference("", text, refuri=f"{address}/{lines}")] for text, lines in words)

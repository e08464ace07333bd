"""What can go wrong, what then happens, and the tests that show it: ``book/faults.yml``, shown table by table.

The directive ``{faults} NAME`` is the table of that name.
"""

from pathlib import Path
from typing import Annotated

from docutils import nodes
from pydantic import BaseModel, ConfigDict, Field
from sphinx.util.docutils import SphinxDirective

from gradbook.press.sphinx.crosswalk import linked
from gradbook.press.sphinx.directives import grid
from gradbook.untrusted import read_yaml


class Fault(BaseModel):
    """A row of a table of faults.

    Attributes:
        fault: what goes wrong.
        happens: what the book or the library then does.
        tests: those that show it, each as ``tests/…/test_….py::test_…``.
        untested: why there is none, if there is none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    fault: str
    happens: str
    tests: Annotated[list[str], Field(min_length=1)] | None = None
    untested: str | None = None


def faults(root: Path) -> dict[str, list[Fault]]:
    """Return the rows of ``book/faults.yml``, by table."""
    return read_yaml(root / "book/faults.yml", dict[str, list[Fault]])


class Faults(SphinxDirective):
    """One table: one row per fault."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Make the table."""
        rows = map(self._row, faults(Path(self.env.srcdir))[self.arguments[0]])
        return [grid(["what goes wrong", "what happens", "shown by"], rows, (2, 3, 3), "crosswalk")]

    def _row(self, row: Fault) -> list[list[nodes.Node]]:
        shown = linked(row.tests, self.env) if row.tests else [nodes.Text(f"not tested: {row.untested}")]
        return [[nodes.Text(row.fault)], [nodes.Text(row.happens)], shown]

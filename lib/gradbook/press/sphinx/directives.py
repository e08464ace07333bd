"""Roles for the cost and the verdict of a chapter and the provenance of a study; the table of executions."""

from collections.abc import Iterable, Sequence
from math import isnan
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.util.docutils import SphinxDirective, SphinxRole

from gradbook.claims.ledger import verdict
from gradbook.experiments import STUDIES, study
from gradbook.press.chapters import find_chapters
from gradbook.press.status import Status, cost, machine, memory, status
from gradbook.studies.results import keys, provenance, provenance_in_words
from gradbook.studies.status import still_to_run


class Cost(SphinxRole):
    """``{cost}`10_concept```: what executing the page took, from its record."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Return the cost as text."""
        root = Path(self.env.srcdir)
        (chapter,) = find_chapters(root, [self.text])
        return [nodes.Text(cost(status(root, chapter, published=True).record))], []


class Verdict(SphinxRole):
    """``{verdict}`10_concept```: how many of the chapter's claims were reproduced, from the ledger."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Return the counts as text."""
        return [nodes.Text(verdict(self.text, Path(self.env.srcdir) / "book/ledger.csv"))], []


class Provenance(SphinxRole):
    """``{provenance}`concept```: the runs, data, commits and machines behind a study's results, and their version.

    The version of the experiment is named only where the results are of an earlier one.
    """

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Return the line as text."""
        folder = Path(self.env.srcdir) / "book/results"
        line, now = provenance_in_words(self.text, folder), study(self.text).experiment.version
        if keys(self.text, folder) and (then := provenance(self.text, folder)["version"]) < now:
            line += f"; by version {then} of the experiment, which is at version {now} now"
        return [nodes.inline("", f"Study {self.text}: {line}.", classes=["provenance"])], []


class ChapterStatus(SphinxDirective):
    """A table of the chapters: when the committed twin was executed, how long it took, how much memory, on what."""

    def run(self) -> list[nodes.Node]:
        """Make the table."""
        root = Path(self.env.srcdir)
        rows = [_row(status(root, chapter, published=True)) for chapter in find_chapters(root)]
        headings = ["chapter", "executed", "seconds", "memory", "machine", "twin"]
        return [grid(headings, rows, (8, 4, 3, 3, 6, 3), "colwidths-given")]


class StillToRun(SphinxDirective):
    """A table of the planned runs that the book lacks: how many, the core-hours that they take, and the command."""

    def run(self) -> list[nodes.Node]:
        """Make the table."""
        rows = []
        for name in STUDIES:
            runs, hours = still_to_run(study(name), Path(self.env.srcdir) / "book/results")
            if runs:
                command = nodes.literal("", f"gradbook sweep {name} --scheduler ADDRESS")
                long = "not known" if isnan(hours) else f"{hours:.1f}"
                rows.append([[nodes.Text(name)], [nodes.Text(f"{runs:,}")], [nodes.Text(long)], [command]])
        if not rows:
            return [nodes.paragraph("", "Every planned run is in the book.")]
        return [grid(["study", "runs to do", "core-hours", "command"], rows, (4, 3, 3, 8), "colwidths-given")]


def _row(known: Status) -> list[list[nodes.Node]]:
    name, measured = known.chapter.name, [""] * 4
    if record := known.record:
        measured = [record["finished"][:10], f"{record['seconds']:.0f}", memory(record), machine(record)]
    title = reference("std", "doc", f"/notebooks/{name}", nodes.inline("", name))
    return [[title], *([nodes.Text(text)] for text in [*measured, known.verdict])]


def table(rows: list[list[str]]) -> nodes.table:
    """Make a table of text below its headings, the first row; in print, columns share the page by what they hold."""
    widths = [max(map(len, column)) + 2 for column in zip(*rows, strict=True)]
    return grid(rows[0], ([[nodes.Text(cell)] for cell in row] for row in rows[1:]), widths, "colwidths-given")


def grid(
    headings: Sequence[str], rows: Iterable[Iterable[list[nodes.Node]]], widths: Sequence[int], kind: str
) -> nodes.table:
    """Make a table whose cells hold what a paragraph may, of columns of relative widths, with a class for its style."""

    def row(cells: Iterable[list[nodes.Node]]) -> nodes.row:
        return nodes.row("", *(nodes.entry("", nodes.paragraph("", "", *cell)) for cell in cells))

    group = nodes.tgroup("", *(nodes.colspec(colwidth=width) for width in widths), cols=len(widths))
    group += nodes.thead("", row([nodes.Text(heading)] for heading in headings))
    group += nodes.tbody("", *map(row, rows))
    return nodes.table("", group, classes=[kind])


def reference(
    domain: str, kind: str, target: str, shown: nodes.Node, *, as_shown: bool = False
) -> addnodes.pending_xref:
    """Make a link that Sphinx resolves: to a page, an equation or a name; by its title or number, unless as shown."""
    options = {"refdomain": domain, "reftype": kind, "reftarget": target, "refexplicit": as_shown}
    return addnodes.pending_xref("", shown, **options)


def listed(groups: Iterable[list[nodes.Node]]) -> list[nodes.Node]:
    """Return all nodes, with commas between the groups."""
    return [node for group in groups for node in (nodes.Text(", "), *group)][1:]

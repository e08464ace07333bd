"""How the twins in the working tree differ from the committed ones, output by output."""

from collections.abc import Iterator
from dataclasses import dataclass

import nbformat
from nbformat import NotebookNode

from gradbook.errors import InputError
from gradbook.press.chapters import Chapter
from gradbook.press.checkout import git

EXCERPT = 60
"""Characters of a differing value that a report shows."""


@dataclass(frozen=True)
class Difference:
    """One output that came out otherwise: the chapter, the number of the code cell, and the value then and now."""

    chapter: str
    cell: int
    committed: str
    now: str

    def __str__(self) -> str:
        """Return one line of a report."""
        return f"{self.chapter}, cell [{self.cell}]: {_excerpt(self.committed)} → {_excerpt(self.now)}"


def committed_twin(chapter: Chapter) -> str | None:
    """Return the text of a chapter's twin at HEAD; None where git has none, as before the first commit of a chapter."""
    folder, name = chapter.twin.parent, chapter.twin.name
    committed = git(folder, "ls-tree", "--name-only", "HEAD", "--", name)
    return git(folder, "show", f"HEAD:./{name}") if committed else None


def differences(chapter: Chapter) -> list[Difference] | None:
    """Return what differs between the committed twin and the one on disk; None where none is committed."""
    then, now = committed_twin(chapter), chapter.twin.read_text(encoding="utf-8") if chapter.twin.is_file() else ""
    if then is None:
        return None
    if then == now:
        return []
    if not now:
        return [Difference(chapter.name, 0, "a twin", "no twin; run gradbook execute")]
    found = list(_outputs_that_differ(chapter.name, nbformat.reads(then, 4), nbformat.reads(now, 4)))
    return found or [Difference(chapter.name, 0, "its text or code", "another text or code; the outputs are equal")]


def _outputs_that_differ(name: str, then: NotebookNode, now: NotebookNode) -> Iterator[Difference]:
    before, after = ({one.id: one for one in book.cells if one.cell_type == "code"} for book in (then, now))
    for cell in (after | {name: cell for name, cell in before.items() if name not in after}).values():
        old, new = (_values(cells[cell.id]) if cell.id in cells else [] for cells in (before, after))
        if old != new:
            place = next(
                (i for i, pair in enumerate(zip(old, new, strict=False)) if pair[0] != pair[1]), min(len(old), len(new))
            )
            yield Difference(name, cell.execution_count or 0, *(_line_that_differs(old[place:], new[place:])))


def _values(cell: NotebookNode) -> list[str]:
    """One string per output and type of content, images by their encoded bytes."""
    values = []
    for output in cell.outputs:
        if output.output_type == "stream":
            values.append(output.text)
        elif output.output_type == "error":
            values.append(f"{output.ename}: {output.evalue}")
        else:
            values += [f"{kind}: {content}" for kind, content in sorted(output.data.items())]
    return values


def _line_that_differs(old: list[str], new: list[str]) -> tuple[str, str]:
    before, after = (values[0] if values else "no output" for values in (old, new))
    pairs = zip(before.splitlines() or [""], after.splitlines() or [""], strict=False)
    return next(((a, b) for a, b in pairs if a != b), (before, after))


def _excerpt(value: str) -> str:
    if value.startswith("image/"):
        return f"{value.partition(':')[0]} of {len(value):,} characters"
    return repr(value if len(value) <= EXCERPT else value[: EXCERPT - 1] + "…")


def report(chapters: list[Chapter]) -> str:
    """Return the closing lines of ``make book``: how many twins came out as committed, and what differs elsewhere."""
    try:
        found = {chapter.name: differences(chapter) for chapter in chapters}
    except InputError as unknown:
        return f"The twins cannot be compared with the committed ones: {unknown}"
    same = sum(1 for value in found.values() if value == [])
    lines = [f"{same} of {len(found)} twins came out exactly as committed."]
    for name, value in found.items():
        lines += [f"  {name}: not committed yet"] if value is None else [f"  {difference}" for difference in value]
    return "\n".join(lines)

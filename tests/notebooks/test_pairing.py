"""A chapter's source and its executed twin say the same."""

from pathlib import Path

import nbformat
import pytest

from gradbook.press.chapters import find_chapters
from gradbook.press.checkout import checkout
from gradbook.press.twin import from_source

ROOT = checkout(Path(__file__))
CHAPTERS = find_chapters(ROOT)


def cells(notebook: nbformat.NotebookNode) -> list[tuple]:
    """What a reader sees or the book's builder heeds of each cell, outputs aside."""
    return [
        (cell.cell_type, cell.source, cell.metadata.get("tags", []), cell.metadata.get("mystnb", {}))
        for cell in notebook.cells
    ]


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.name)
def test_source_and_twin_agree_cell_by_cell(chapter):
    assert cells(nbformat.read(chapter.twin, 4)) == cells(from_source(chapter.source)), (
        f"run gradbook execute {chapter.name}"
    )


def test_every_source_has_a_twin_and_every_twin_a_source():
    twins = {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert twins == {chapter.name for chapter in CHAPTERS} != set()

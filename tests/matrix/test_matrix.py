"""Whatever a chapter's parameters may be, it runs to its end: ``make matrix`` tries all, ``make test`` the cheapest."""

import os
from pathlib import Path

import numpy as np
import pytest
from cases import IMAGES, INTERACTING, NAMES, OWN, cases, extremes, least

from gradbook.data import describe
from gradbook.parameters import problem
from gradbook.press.chapters import QUICK, find_chapters, typed_parameters
from gradbook.press.checkout import checkout
from gradbook.press.execute import Job, execute

ROOT = checkout(Path(__file__))
CHAPTERS = find_chapters(ROOT)
ALL = cases(ROOT) if "GRADBOOK_MATRIX" in os.environ else []


def run(chapter, parameters, folder):
    """Execute a chapter in a folder, and return the text of all that it shows; a warning is an error."""
    import nbformat

    if OWN in parameters.values():
        bars(folder / OWN)
        parameters = parameters | {"dataset": str(folder / OWN)}
    job = Job(folder, chapter, QUICK, typed_parameters(chapter, parameters))
    list(execute([job], 1))
    outputs = [output for cell in nbformat.read(job.output, 4).cells for output in cell.get("outputs", [])]
    assert [output.text for output in outputs if output.get("name") == "stderr"] == []
    return "\n".join(map(str, outputs))


def bars(path):
    """Write 300 grey squares of 12×12 pixels with a bright bar, whose place is the class; names as people give them."""
    random = np.random.default_rng(0)
    labels = np.arange(300) % 6
    images = random.uniform(0, 0.5, (300, 12, 12))
    for image, label in zip(images, labels, strict=True):
        image[2 * label : 2 * label + 2] += 0.5
    parts = {"train": slice(0, 240), "test": slice(240, None)}
    arrays = {f"x_{name}": images[part] for name, part in parts.items()}
    arrays |= {f"y_{name}": labels[part] for name, part in parts.items()}
    np.savez(path, classes=NAMES, **arrays)


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.name)
def test_a_chapter_runs_with_everything_at_its_least(chapter, tmp_path):
    images = "dataset" in chapter.declared and chapter.declared["dataset"][1] == IMAGES
    shown = run(chapter, least(chapter) | ({"dataset": OWN} if images else {}), tmp_path)
    assert "You changed" in shown


@pytest.mark.parametrize(("chapter", "parameters"), ALL, ids=[f"{chapter.name}-{given}" for chapter, given in ALL])
def test_a_chapter_runs_with_whatever_is_allowed(chapter, parameters, tmp_path):
    names = {entry.name for entry in describe() if not entry.present}
    if missing := names & {value for value in parameters.values() if isinstance(value, str)}:
        pytest.skip(f"{missing.pop()} is not on this machine")
    run(chapter, parameters, tmp_path)


@pytest.mark.parametrize(
    ("default", "allowed", "ends"),
    [
        (3, "an integer from 1 up to 9", [1, 9]),
        (3, "an integer above 1", [2, 6]),
        (0.5, "a number above 0 below 1", [1e-6, 1 - 1e-6]),
        (2.0, "a number from 0", [0.0, 20.0]),
        (None, "None or one of a, b", ["a", "b"]),
        (16, "one of 8, 16, 32", [8, 32]),
        (4, "None or an integer from 1", [None, 1, 8]),
        (True, "true or false", [False]),
    ],
)
def test_the_ends_of_what_is_allowed(default, allowed, ends):
    assert list(extremes(default, allowed)) == ends
    assert all(problem(value, allowed) is None for value in ends)


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.name)
def test_every_case_is_allowed(chapter):
    for name, (default, allowed) in chapter.declared.items():
        ends = [value for value in extremes(default, allowed) if value != OWN]
        assert all(problem(value, allowed) is None for value in ends), name
    for given in [least(chapter), *INTERACTING.get(chapter.name, [])]:
        assert all(value == OWN or problem(value, chapter.declared[name][1]) is None for name, value in given.items())

"""Roles that pages use; the site's tests see the rest."""

import shutil
from datetime import UTC, datetime
from types import SimpleNamespace

import pandas as pd

from benchmarks.__main__ import record
from gradbook.claims import ledger
from gradbook.press.checkout import write_json
from gradbook.press.sphinx.directives import Provenance, Verdict
from gradbook.press.sphinx.speeds import FOLDER, Speeds
from gradbook.studies import results


def test_a_page_quotes_a_chapter_s_verdict_from_the_ledger_beside_it(tmp_path):
    (tmp_path / "book").mkdir()
    ledger.save(ledger.table([ledger.Entry("a", "10_concept", "reproduced")]), tmp_path / "book/ledger.csv")
    assert shown(Verdict(), "10_concept", tmp_path) == ["1 claim: 1 reproduced"]


def test_a_figure_quotes_the_runs_behind_it(root, tmp_path):
    about = results.provenance("concept")
    (line,) = shown(Provenance(), "concept", root)
    assert line.startswith(f"Study concept: {about['runs']} runs, seeds 0 to 9; data mnist ")
    assert all(origin["commit"][:8] in line for origin in about["origins"].values())
    assert "version" not in line
    assert shown(Provenance(), "concept", tmp_path) == ["Study concept: no runs yet."]


def test_a_figure_says_that_its_runs_are_of_an_earlier_version_of_the_experiment(root, tmp_path):
    copied = shutil.copytree(root / "book/results", tmp_path / "book/results") / "concept.json"
    write_json(copied, results.provenance("concept") | {"version": 0})
    (line,) = shown(Provenance(), "concept", tmp_path)
    assert line.endswith("; by version 0 of the experiment, which is at version 1 now.")


def shown(role, text, root):
    """What the role makes of a text on a page of the book at that place."""
    environment = SimpleNamespace(srcdir=root)
    inliner = SimpleNamespace(document=SimpleNamespace(settings=SimpleNamespace(env=environment)))
    nodes, messages = role("role", "", text, 1, inliner)
    assert messages == []
    return [node.astext() for node in nodes]


def test_a_page_shows_what_was_measured_and_says_where_nothing_was(tmp_path):
    assert speeds(tmp_path) == ["This has not been measured yet; make bench does it."]
    measured = pd.DataFrame([{"loop": "eager", "median ms": "9.5"}, {"loop": "gradbook", "median ms": 2.5}])
    begun = datetime(2026, 11, 22, 3, tzinfo=UTC)
    write_json(tmp_path / FOLDER / "steps.json", record("A step of each.", measured, begun, 0.12))
    title, table, origin = speeds(tmp_path)
    assert title == "A step of each."
    assert table.split() == ["loop", "median", "ms", "eager", "9.5", "gradbook", "2.5"]
    assert speeds(tmp_path, "steps")[0] == title and len(speeds(tmp_path, "others")) == 1
    assert origin.startswith("Measured 2026-11-22 on ") and "at a load of 0.1 before the start" in origin


def speeds(root, *names):
    """What the directive puts on a page of the book at that place."""
    page = SimpleNamespace(env=SimpleNamespace(srcdir=root), arguments=names)
    return [node.astext() for node in Speeds.run(page)]

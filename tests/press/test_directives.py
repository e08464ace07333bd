"""Roles that pages use; the site's tests see the rest."""

from types import SimpleNamespace

from gradbook.press.directives import Provenance, Verdict
from gradbook.studies import ledger, results


def test_a_page_quotes_a_chapter_s_verdict_from_the_ledger_beside_it(tmp_path):
    (tmp_path / "book").mkdir()
    ledger.save(ledger.table([ledger.Entry("a", "10_concept", "reproduced")]), tmp_path / "book/ledger.csv")
    assert shown(Verdict(), "10_concept", tmp_path) == ["1 claim: 1 reproduced"]


def test_a_figure_quotes_the_runs_behind_it(root, tmp_path):
    about = results.provenance("concept")
    (line,) = shown(Provenance(), "concept", root)
    assert line.startswith(f"Study concept: {about['runs']} runs, seeds 0 to 9; data mnist ")
    assert all(origin["commit"][:8] in line for origin in about["origins"].values())
    assert shown(Provenance(), "concept", tmp_path) == ["Study concept: no runs yet."]


def shown(role, text, root):
    """What the role makes of a text on a page of the book at that place."""
    environment = SimpleNamespace(srcdir=root)
    inliner = SimpleNamespace(document=SimpleNamespace(settings=SimpleNamespace(env=environment)))
    nodes, messages = role("role", "", text, 1, inliner)
    assert messages == []
    return [node.astext() for node in nodes]

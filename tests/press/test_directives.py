"""Roles that pages use; the site's tests see the rest."""

from types import SimpleNamespace

from gradbook.press.directives import Verdict
from gradbook.studies import ledger


def test_a_page_quotes_a_chapter_s_verdict_from_the_ledger_beside_it(tmp_path):
    (tmp_path / "book").mkdir()
    ledger.save(ledger.table([ledger.Entry("a", "10_concept", "reproduced")]), tmp_path / "book/ledger.csv")
    environment = SimpleNamespace(srcdir=tmp_path)
    inliner = SimpleNamespace(document=SimpleNamespace(settings=SimpleNamespace(env=environment)))
    shown, messages = Verdict()("verdict", "", "10_concept", 1, inliner)
    assert [node.astext() for node in shown] == ["1 claim: 1 reproduced"]
    assert messages == []

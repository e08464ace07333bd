"""The ledger's file, its words, and the command."""

import json

import pandas as pd
import pytest

from gradbook import book_claims, cli
from gradbook.claims import ledger
from gradbook.claims.citations import citations
from gradbook.claims.ledger import Entry
from gradbook.errors import InputError, RunError

ENTRIES = [
    Entry("a", "10_concept", "reproduced", 162160.0, 162160.0),
    Entry("b", "10_concept", "at reduced scale: inconclusive", None, 0.25, 0.1, 0.4, 0.125, runs=3),
    Entry("c", "11_imdb", "not attempted", 0.3, runs=2, reason="2 runs"),
    Entry("d", "10_concept", "reproduced", 1 / 3, 1 / 3, 0.3, 0.4, runs=10),
]
LEDGER = ledger.table(ENTRIES)


@pytest.fixture
def path(tmp_path):
    ledger.save(LEDGER, tmp_path / "ledger.csv")
    return tmp_path / "ledger.csv"


def test_what_is_saved_is_loaded(path):
    pd.testing.assert_frame_equal(ledger.load(path), LEDGER, rtol=1e-9)


def test_words_that_look_like_numbers_stay_words(tmp_path):
    saved = ledger.table([Entry("01", "1.10", "unsourced"), Entry("2", "", "not attempted", reason="7")])
    ledger.save(saved, tmp_path / "ledger.csv")
    pd.testing.assert_frame_equal(ledger.load(tmp_path / "ledger.csv"), saved)


def test_a_word_in_the_place_of_a_number_is_refused(path):
    path.write_text(path.read_text().replace("162160,", "many,", 1))
    with pytest.raises(InputError, match=r"^ledger.csv is no ledger: .*'many'"):
        ledger.load(path)


def test_saving_what_was_loaded_changes_no_byte(path):
    before = path.read_bytes()
    ledger.save(ledger.load(path), path)
    assert path.read_bytes() == before


def test_works_are_called_by_a_person_and_a_year(tmp_path):
    path = tmp_path / "references.bib"
    path.write_text("@book{a, editor={Ada, Anna}, date={1843-07}}\n@misc{b, author={{The B}}, year=2001}")
    assert citations(path) == {"a": "Ada (1843)", "b": "The B (2001)"}
    path.write_text("@misc{c, year=2001}")
    with pytest.raises(InputError, match="'c'"):
        citations(path)


def test_a_chapter_s_verdict_counts_its_claims(path):
    assert ledger.verdict("10_concept", path) == "3 claims: 2 reproduced; 1 at reduced scale: inconclusive"
    assert ledger.verdict("11_imdb", path) == "1 claim: 1 not attempted"


def test_a_chapter_without_claims_is_refused(path):
    with pytest.raises(InputError, match="did you mean '10_concept'"):
        ledger.verdict("10_concpt", path)


def test_changes_are_new_lost_and_other_verdicts():
    before = ledger.table([ENTRIES[0], ENTRIES[2]])
    after = ledger.table([Entry("a", "10_concept", "not reproduced", 1.0, 2.0), ENTRIES[1]])
    assert ledger.changed(before, after) == [
        "a: reproduced → not reproduced",
        "c: not attempted → no longer claimed",
        "b: not in the ledger → at reduced scale: inconclusive",
    ]
    assert ledger.changed(before, before) == []


def test_every_format_shows_every_claim():
    assert [row["id"] for row in json.loads(ledger.render(LEDGER, "json"))] == ["a", "b", "c", "d"]
    lines = ledger.render(LEDGER, "markdown").splitlines()
    assert len(lines) == 2 + len(LEDGER)
    assert {line.count("|") for line in lines} == {7}
    table = ledger.render(LEDGER, "table")
    assert "162,160" in table
    assert table.endswith("4 claims: 2 reproduced; 1 at reduced scale: inconclusive; 1 not attempted")


def run(*arguments):
    return cli.app(["ledger", *arguments], standalone_mode=False)


def test_the_check_fails_where_a_verdict_differs_and_names_it(monkeypatch, capsys):
    committed = ledger.load(book_claims.LEDGER)
    monkeypatch.setattr(book_claims, "compute", lambda: committed)
    run("--check")
    assert f"{len(committed)} verdicts as in ledger.csv" in capsys.readouterr().out
    name, verdict = committed.loc[0, ["id", "verdict"]]
    other = committed.assign(verdict=["not reproduced", *committed["verdict"][1:]])
    monkeypatch.setattr(book_claims, "compute", lambda: other)
    with pytest.raises(RunError, match=f"1 verdicts differ.*\n  {name}: {verdict} → not reproduced"):
        run("--check")


def test_the_command_shows_what_was_computed(monkeypatch, capsys):
    monkeypatch.setattr(book_claims, "compute", lambda: LEDGER)
    run("--format", "json")
    assert len(json.loads(capsys.readouterr().out)) == len(LEDGER)

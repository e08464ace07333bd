"""The whole in one page: rows of methods and sentences of parts, from a ledger, and what is refused."""

import re
from fnmatch import fnmatchcase
from types import SimpleNamespace

import pytest
import yaml

from gradbook import book_claims
from gradbook.claims import claim, ledger
from gradbook.files import BOOK
from gradbook.press.sphinx.outcomes import Method, Outcomes

CLAIMS = """
- {id: helps, chapter: 10_concept, claim: It helps., quote: a, published: greater, test: &run {statistic: difference,
   where: {a: 1}, against: {a: 0}, metric: m}}
- {id: harms, chapter: 10_concept, claim: It harms., quote: a, published: less, test: *run}
- {id: unsure, chapter: 10_concept, claim: It may., quote: a, published: less, test: *run}
- {id: counts, chapter: 40_low, claim: It has 3., quote: a, published: 3, tolerance: 0, because: &b counted,
   test: &f {statistic: exact, function: f}}
- {id: counted, chapter: 40_low, claim: It has 4., quote: a, published: 4, tolerance: 0, because: *b, test: *f}
"""
VERDICTS = {
    "helps": "at reduced scale: reproduced",
    "harms": "not reproduced",
    "unsure": "inconclusive",
    "counts": "reproduced",
    "counted": "reproduced",
}


@pytest.fixture
def page(tmp_path):
    """Run the directive on a page of a book with these claims; returns the texts of the cells, or of the list."""
    book = tmp_path / "book"
    book.mkdir()
    (book / "claims.yml").write_text(CLAIMS)
    chapters = {one.id: one.chapter for one in claim.load(book / "claims.yml").claims}
    entries = [ledger.Entry(name, chapters[name], verdict) for name, verdict in VERDICTS.items()]
    ledger.save(ledger.table(entries), book / "ledger.csv")

    def run(*lines):
        place = SimpleNamespace(env=SimpleNamespace(srcdir=tmp_path), content=list(lines), error=ValueError)
        place._row = lambda *row: Outcomes._row(place, *row)
        (made,) = Outcomes.run(place)
        return made

    return run


def test_a_row_says_what_held_what_did_not_and_how_much_is_undecided(page):
    method = "{method: Gate, page: /notebooks/10_concept, does: It gates., claims: [he*, harms, unsure, counts]}"
    (row,) = page(f"- {method}").findall(lambda node: node.tagname == "row" and node.parent.tagname == "tbody")
    assert [cell.astext() for cell in row] == ["Gate", "It gates.", "It helps. It has 3.", "It harms.", "1"]


def test_several_counts_are_only_counted(page):
    method = "{method: Gate, page: /notebooks/10_concept, does: It gates., claims: [count*]}"
    cells = [cell.astext() for cell in page(f"- {method}").findall(lambda node: node.tagname == "entry")]
    assert cells[-3:] == ["2 published counts.", "nothing", "0"]


def test_without_methods_each_part_has_a_sentence(page):
    first, second, *_, last = [item.astext() for item in page()]
    assert first.endswith("censored: of 3 trained claims, 1 reproduced, 1 inconclusive, 1 not reproduced.")
    assert second.endswith("of 0 trained claims, none is decided.")
    assert last == "Counts and formulas, without training: 2 reproduced."


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("- {method: Gate}", "page: field required"),
        ("- [", "needs a list of methods"),
        ("- {method: Gate, page: a, does: b, claims: [gate]}", "no claim of the ledger is called gate"),
    ],
)
def test_what_is_no_method_or_has_no_claim_is_refused(page, line, sentence):
    with pytest.raises(ValueError, match=sentence):
        page(line)


def test_every_claim_that_runs_decide_belongs_to_a_method_of_the_page():
    text = (BOOK / "in_one_page.md").read_text(encoding="utf-8")
    methods = yaml.safe_load(re.findall(r"```{outcomes}\n(- .*?)```", text, flags=re.DOTALL)[0])
    patterns = [pattern for method in methods for pattern in Method(**method).claims]
    claims = claim.load(book_claims.CLAIMS).claims
    decided = [one.id for one in claims if one.sourced and isinstance(one.test, claim.Mean)]
    without = [name for name in decided if not any(fnmatchcase(name, pattern) for pattern in patterns)]
    baselines = ["imdb-single-task", "tasks-single-task", "many-single-left", "many-single-right"]
    assert without == [*baselines, "synthetic-backpropagation-accuracy"]

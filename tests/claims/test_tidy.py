"""Anybody's claims, from CSV files, by the command."""

import json
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from gradbook import cli
from gradbook.errors import InputError, RunError

CLAIMS = """\
- id: dropout-helps
  claim: Dropout raises the accuracy.
  place: table 2
  quote: dropout improves accuracy by 2.1 points
  published: {quantity: gain}
  tolerance: 0.01
  because: a point is what readers would notice
  test: {statistic: difference, where: {dropout: true}, against: {dropout: false}, metric: accuracy}
- id: unread
  claim: Somebody said so.
  published: greater
  test: {statistic: difference, where: {dropout: true}, against: {dropout: false}, metric: accuracy}
"""
RUNS = "seed,dropout,accuracy,seconds\n" + "".join(
    f"{seed},{dropout},{0.9 + 0.001 * (seed % 3) + more},1\n"
    for seed in range(5)
    for dropout, more in ((True, 0.02 + 0.0005 * seed), (False, 0))
)


@pytest.fixture
def audit(tmp_path, monkeypatch, capsys):
    """The command, in a folder with claims, runs and published numbers."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "claims.yml").write_text(CLAIMS)
    (tmp_path / "runs.csv").write_text(RUNS)
    (tmp_path / "numbers.csv").write_text("quantity,value,unit\ngain,2.1,%\n")

    def run(*arguments):
        given = ["audit", "claims.yml", "--runs", "runs.csv", "--published", "numbers.csv", *arguments]
        cli.app(given, standalone_mode=False)
        return capsys.readouterr().out

    return run


def test_the_table_fits_the_terminal(audit, monkeypatch):
    monkeypatch.setenv("COLUMNS", "57")
    lines = audit().splitlines()
    assert max(map(len, lines)) <= 57
    assert lines[1].startswith("dropout-hel…") and "reproduced" in lines[1]
    assert lines[-1] == "2 claims: 1 reproduced; 1 unsourced"


def test_json_has_the_numbers(audit):
    first, second = json.loads(audit("--format", "json"))
    assert first["measured"] == pytest.approx(0.021) and first["published"] == pytest.approx(0.021)
    assert second["verdict"] == "unsourced"


def test_the_page_stands_alone_and_escapes_what_others_wrote(audit, tmp_path):
    (tmp_path / "claims.yml").write_text(CLAIMS.replace("Dropout raises", "<script>alert(1)</script> & raises"))
    page = audit("--format", "html")
    ElementTree.fromstring(re.sub(r"<meta[^>]*>", "", page.removeprefix("<!DOCTYPE html>\n")))
    assert "&lt;script&gt;" in page and "<script" not in page and "http" not in page
    assert page.count("<article") == 2 and page.count("<circle") == 1


def test_a_badge_counts_what_was_tested(audit):
    badge = ElementTree.fromstring(audit("--format", "badge"))
    assert badge.get("aria-label") == "1 of 1 claims reproduced"


def test_a_changed_verdict_fails_the_check(audit, tmp_path):
    audit("--write", "ledger.csv")
    assert audit("--against", "ledger.csv") == "2 verdicts as in ledger.csv\n"
    (tmp_path / "runs.csv").write_text(RUNS.replace("0.92", "0.52"))
    with pytest.raises(RunError, match=r"1 verdicts differ from.*\s+dropout-helps: reproduced → not reproduced"):
        audit("--against", "ledger.csv")


def test_a_ledger_is_compared_with_as_it_was_before_it_is_written_anew(audit, tmp_path):
    audit("--write", "ledger.csv")
    (tmp_path / "runs.csv").write_text(RUNS.replace("0.92", "0.52"))
    with pytest.raises(RunError, match="1 verdicts differ"):
        audit("--write", "ledger.csv", "--against", "ledger.csv")
    assert audit("--against", "ledger.csv") == "2 verdicts as in ledger.csv\n"


def test_columns_that_are_no_fields_may_differ_if_the_file_says_which_are(audit, tmp_path):
    (tmp_path / "runs.csv").write_text(RUNS.replace(",1\n", ",2\n", 1))
    assert json.loads(audit("--format", "json"))[0]["runs"] == 4
    entries = "".join(f"  {line}\n" for line in CLAIMS.splitlines())
    (tmp_path / "claims.yml").write_text(f"fields: [dropout]\nclaims:\n{entries}")
    assert json.loads(audit("--format", "json"))[0]["runs"] == 5


def test_several_tables_are_named_by_their_files(audit, tmp_path):
    (tmp_path / "other.csv").write_text(RUNS)
    with pytest.raises(
        InputError, match="claim dropout-helps: study of a claim must name one of the runs, runs, other"
    ):
        audit("--runs", "other.csv")
    (tmp_path / "claims.yml").write_text(CLAIMS.replace("{statistic:", "{study: other, statistic:"))
    assert "1 reproduced" in audit("--runs", "other.csv")


@pytest.mark.parametrize(("option", "file"), [("--runs", "runs.csv"), ("--published", "numbers.csv")])
@pytest.mark.parametrize("name", ["{}.csv", "{}.txt"])
def test_tables_of_a_kind_with_one_name_are_refused(audit, tmp_path, option, file, name):
    (tmp_path / "other").mkdir()
    other = Path("other", name.format(Path(file).stem))
    other.write_text((tmp_path / file).read_text())
    said = f"tables of a kind must differ in their file names; received {file}, {other}."
    with pytest.raises(InputError, match=re.escape(said)):
        audit(option, str(other))


@pytest.mark.parametrize(
    ("file", "content", "sentence"),
    [
        ("runs.csv", "seed,dropout\n1,True,3,4\n", "claim dropout-helps: unknown metric 'accuracy'"),
        *(
            (
                "runs.csv",
                RUNS.replace("0.9,", f"{one},"),
                "metric 'accuracy' must be a finite number in every run, or m",
            )
            for one in ("0.9%", "nan", "inf")
        ),
        ("runs.csv", 'a,"b\n1,2', "runs.csv is not CSV: "),
        ("runs.csv", "", "runs.csv is not CSV: No columns to parse"),
        ("numbers.csv", "number\n1\n", "numbers.csv must have the columns quantity and value; received number."),
        ("numbers.csv", "quantity,value\ngain,two\n", "the published value of 'gain', '' must be a number"),
        ("claims.yml", CLAIMS.replace("tolerance: 0.01", "tolerance: -1"), "claims.yml, line 6 (dropout-helps): tol"),
        ("claims.yml", f"seed: iteration\nclaims:\n{CLAIMS}", "claim dropout-helps: unknown column 'iteration'"),
        ("ledger.csv", "id\n1\n", "ledger.csv is no ledger: it lacks the column chapter."),
    ],
)
def test_a_bad_file_is_refused_in_one_sentence_and_nothing_is_written(audit, tmp_path, file, content, sentence):
    (tmp_path / file).write_text(content)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(InputError, match=re.escape(sentence)) as refused:
        audit("--against", "ledger.csv")
    assert len(str(refused.value).splitlines()) == 1 and sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--published", "numbers.csv"], "runs must be a file or more, claims refer to them; received none"),
        (["--runs", "runs.csv"], "published must be a file or more, claims refer to them; received none"),
        (
            ["--published", "numbers.csv", "--runs", "runs.csv", "--runs", "more.csv"],
            "study of a claim must name one of the runs, runs, more; received none",
        ),
    ],
)
def test_tables_that_are_missing_or_not_named_are_asked_for(audit, tmp_path, given, said):
    (tmp_path / "more.csv").write_text(RUNS)
    with pytest.raises(InputError, match=said):
        cli.app(["audit", "claims.yml", *given], standalone_mode=False)


def test_numbers_may_be_written_as_yaml_does_not_read_them(audit, tmp_path):
    (tmp_path / "claims.yml").write_text(
        CLAIMS.replace("dropout: true", "rate: 5e-1").replace("dropout: false", "rate: 0")
    )
    (tmp_path / "runs.csv").write_text(RUNS.replace("dropout", "rate").replace("True", "0.5").replace("False", "0"))
    assert "reproduced" in audit()


def test_machines_read_a_review_of_each_claim_with_a_verdict(audit):
    (review,) = json.loads(audit("--format", "json-ld"))["@graph"]
    assert review["claimReviewed"] == "Dropout raises the accuracy."
    assert review["reviewRating"]["alternateName"] == "reproduced"
    assert review["reviewRating"]["ratingValue"] == review["reviewRating"]["bestRating"]
    assert review["cito:confirms"]["@id"] == review["itemReviewed"]["appearance"]["@id"]

"""The book's own claims: they cover it, the study plans what they test, and the ledger is that of the results."""

import json
import re
from pathlib import Path

import jsonschema
import pandas as pd
import pytest
import yaml

from gradbook import book_claims, cli, exact, experiments
from gradbook.claims import claim, ledger
from gradbook.claims.citations import citations
from gradbook.errors import InputError
from gradbook.files import BOOK

CLAIMS = claim.load(book_claims.CLAIMS).claims
TESTED = [one for one in CLAIMS if isinstance(one.test, claim.Mean)]


def test_the_claims_cover_the_chapters_and_cite_the_bibliography():
    chapters = {path.stem for path in (BOOK.parent / "notebooks").glob("*.py")} - {"90_ledger"}
    assert chapters <= {one.chapter for one in CLAIMS}
    assert {one.citation for one in CLAIMS} <= set(citations(BOOK / "references.bib"))


def test_every_function_that_gives_an_exact_number_serves_a_claim():
    assert {one.test.function for one in CLAIMS if isinstance(one.test, claim.Exact)} == set(exact.FUNCTIONS)


@pytest.mark.parametrize(
    ("function", "arguments", "sentence"),
    [
        ("fourier_error", {"family": "monrch", "size": 4}, "unknown family 'monrch'; did you mean 'monarch'"),
        ("parameters", {"network": "dart", "family": "plain"}, "unknown network 'dart'; did you mean 'darts'"),
        ("mult_adds", {"network": "dart", "family": "plain"}, "unknown network 'dart'; did you mean 'darts'"),
        ("distance_from_identity", {"block": "skipinitt", "layers": 3}, "unknown block 'skipinitt'; "),
        ("tailored", {"part": "slop"}, "unknown part 'slop'; did you mean 'slope'"),
        (
            "parameters_of_december",
            {"network": "darts", "family": "tuker", "scale": 0.1},
            "unknown family 'tuker'; did you mean 'tucker'",
        ),
    ],
)
def test_a_word_that_an_exact_number_does_not_know_is_refused(function, arguments, sentence):
    with pytest.raises(InputError, match=sentence):
        exact.FUNCTIONS[function](**arguments)


@pytest.mark.parametrize("one", TESTED, ids=lambda one: one.id)
def test_the_study_plans_the_runs_that_a_claim_tests(one):
    assert experiments.study(one.test.study).select(**one.test.where).runs


def test_the_committed_ledger_is_what_the_claims_and_the_results_give():
    committed, now = ledger.load(book_claims.LEDGER), book_claims.compute()
    assert ledger.changed(committed, now) == [], "gradbook ledger --write renews the ledger"
    pd.testing.assert_frame_equal(committed, now, rtol=1e-5, atol=1e-9)


def test_the_site_has_the_schema_of_claims_and_the_book_s_are_of_it():
    path = BOOK / "_static/claims.schema.json"
    schema = json.loads(path.read_text(encoding="utf-8"))
    assert schema == claim.schema(), f"gradbook audit --schema > {path}"
    jsonschema.validate(yaml.safe_load(book_claims.CLAIMS.read_text(encoding="utf-8")), schema)


def test_the_claims_of_the_page_on_ledgers_of_one_s_own_can_be_loaded(tmp_path):
    page = (BOOK / "own_ledger.md").read_text(encoding="utf-8")
    block = re.findall(r"```yaml\n(.*?)```", page, flags=re.DOTALL)[0]
    (tmp_path / "claims.yml").write_text(block, encoding="utf-8")
    assert len(claim.load(tmp_path / "claims.yml").claims) == 3


# What that page's runs say, of ResNet: the accuracies that Ismail Fawaz et al. published in results-ucr-128.csv.
THEIRS = {
    "Adiac": (0.8517, 0.8133, 0.8312, 0.8286, 0.8414),
    "Computers": (0.792, 0.812, 0.8, 0.812, 0.812),
    "FordB": (0.8173, 0.8198, 0.8136, 0.8037, 0.8111),
}


def test_the_verdicts_of_the_page_on_ledgers_of_one_s_own_are_those_of_its_runs(tmp_path, monkeypatch, capsys):
    page = (BOOK / "own_ledger.md").read_text(encoding="utf-8")
    texts, (claims, *_) = (re.findall(rf"```{kind}\n(.*?)```", page, flags=re.DOTALL) for kind in ("text", "yaml"))
    monkeypatch.chdir(tmp_path)
    Path("claims.yml").write_text(claims, encoding="utf-8")
    Path("numbers.csv").write_text(texts[1], encoding="utf-8")
    runs = [f"resnet,UCRArchive_2018,{name},{i},{one}" for name, ones in THEIRS.items() for i, one in enumerate(ones)]
    Path("runs.csv").write_text("\n".join(["classifier_name,archive_name,dataset_name,iteration,accuracy", *runs]))
    cli.app(["audit", "claims.yml", "--runs", "runs.csv", "--published", "numbers.csv"], standalone_mode=False)
    assert capsys.readouterr().out.split() == texts[2].split()
    cli.app(
        ["audit", "claims.yml", "--runs", "runs.csv", "--published", "numbers.csv", "--format", "json"],
        standalone_mode=False,
    )
    needed = {one["id"]: one["needed"] for one in json.loads(capsys.readouterr().out)}
    assert f"adds that {needed['adiac']} and {needed['computers']} would do" in page

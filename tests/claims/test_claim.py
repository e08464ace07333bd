"""Claims: what an entry gives, and that a malformed one is refused in one clear sentence."""

import re

import jsonschema
import numpy as np
import pandas as pd
import pytest
import yaml

from gradbook.claims import claim as claims
from gradbook.errors import InputError

VALID = {
    "id": "gate-last",
    "chapter": "10_concept",
    "citation": "szkocot2019adapting",
    "place": "printed log",
    "quote": "comb_up=97.0%",
    "claim": "In the last epoch the gate is open at nearly all steps.",
    "published": {"quantity": "combined_updates", "setting": "epoch 10"},
    "test": {"statistic": "mean", "study": "concept", "where": {"rule": "unweighted_cosine"}, "metric": "agreement"},
    "tolerance": 0.03,
    "because": "two standard errors",
}
DIFFERENCE = VALID["test"] | {"statistic": "difference", "against": {"rule": "projection"}}
NUMBER = {"statistic": "exact", "function": "fifty_layers"}
PUBLISHED = pd.DataFrame(
    [
        ("log", "combined_updates", "epoch 1", 71.0, "%"),
        ("log", "combined_updates", "epoch 10", 97.0, "%"),
        ("log", "learning_rate", "", 0.01, ""),
        ("code", "learning_rate", "", 0.02, ""),
    ],
    columns=["source", "quantity", "setting", "value", "unit"],
)


def read(folder, *entries):
    path = folder / "claims.yml"
    path.write_text(yaml.safe_dump(list(entries)))
    return claims.load(path).claims


def changed(**fields):
    """The valid entry with other fields; None takes one away."""
    return {name: value for name, value in (VALID | fields).items() if value is not None}


def test_a_valid_claim_is_read_and_knows_its_number(tmp_path):
    (claim,) = read(tmp_path, VALID)
    assert claim.target(PUBLISHED) == 0.97  # published as percents
    assert claim.origin(PUBLISHED) is None


def test_a_difference_counts_from_zero_and_may_be_one_of_two_rows(tmp_path):
    rows = {"quantity": "combined_updates", "setting": "epoch 10", "minus": "epoch 1"}
    (claim,) = read(tmp_path, changed(test=DIFFERENCE, published=rows))
    assert claim.target(PUBLISHED) == pytest.approx(0.26)
    assert claim.origin() == 0


def test_an_entry_for_each_number_of_a_table_is_as_many_claims(tmp_path):
    entry = changed(
        test=NUMBER | {"arguments": {"depth": 5}},
        claim="Of {}.",
        published={"quantity": "combined_updates", "setting": "epoch {}"},
        each={"1": {"width": 2}, "10": {"depth": 6}},
    )
    first, last = read(tmp_path, entry)
    assert [first.id, last.id] == ["gate-last-1", "gate-last-10"]
    assert [first.claim, last.claim] == ["Of 1.", "Of 10."]
    assert [first.target(PUBLISHED), last.target(PUBLISHED)] == [0.71, 0.97]
    assert [first.test.arguments, last.test.arguments] == [{"depth": 5, "width": 2}, {"depth": 6}]


def test_a_row_may_name_its_source(tmp_path):
    (claim,) = read(tmp_path, changed(published={"quantity": "learning_rate", "source": "code"}))
    assert claim.target(PUBLISHED) == 0.02


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        (changed(each={"a": {}}), "each goes with an exact test, or with none"),
        (changed(tolerence=0.1), "tolerence: extra inputs are not permitted"),
        (changed(claim=None), "claim: field required"),
        (changed(tolerance=-1), "tolerance: input should be greater than or equal to 0; received -1"),
        (
            changed(published="more"),
            "published: must be a number, a row {quantity: …}, or greater, less or same; received 'm",
        ),
        (changed(test=VALID["test"] | {"statistic": "median"}), "'median'"),
        (changed(test=None), "exactly one of test and not_attempted"),
        (changed(not_attempted="too long"), "exactly one of test and not_attempted"),
        (changed(because=None), "because must say why"),
        (changed(tolerance=None), "a number, or same, needs a tolerance"),
        (changed(published="same"), "a direction needs a difference, or a mean and a baseline"),
        (changed(published="greater"), "a direction needs a difference, or a mean and a baseline"),
        (changed(published="greater", test=DIFFERENCE), "greater and less have no tolerance"),
        (changed(test=NUMBER, baseline=0), "a baseline goes with a mean only"),
        (changed(test=NUMBER, spread=0), "a spread goes with a number only"),
        (changed(test=DIFFERENCE, baseline=0.5), "a baseline goes with a mean only"),
        (changed(quote="word " * 26), "a quote has at most 25 words, this one 26"),
        (changed(published_runs=0), "published_runs: input should be greater than or equal to 1"),
        ("gate-last", "should be a valid dictionary"),
    ],
)
def test_a_malformed_claim_is_refused_in_one_sentence(tmp_path, entry, sentence):
    with pytest.raises(InputError, match=re.escape(sentence)) as refused:
        read(tmp_path, entry)
    assert str(refused.value).startswith("claims.yml, line ")
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: b: c", "claims.yml is not YAML"),
        ("{}", "claims.yml, line 1: claims: field required"),
        ("7", "claims.yml: list"),
    ],
)
def test_a_file_that_is_no_list_is_refused(tmp_path, text, sentence):
    (tmp_path / "claims.yml").write_text(text)
    with pytest.raises(InputError, match=sentence):
        claims.load(tmp_path / "claims.yml")


@pytest.mark.parametrize("form", ["list", "fields"])
def test_a_refusal_names_line_claim_and_field(tmp_path, form):
    entries = [VALID, VALID | {"id": "second", "test": VALID["test"] | {"metric": ["a"]}}]
    text = yaml.safe_dump(entries if form == "list" else {"fields": ["rule"], "claims": entries}, sort_keys=False)
    path = tmp_path / "claims.yml"
    path.write_text(text)
    with pytest.raises(InputError, match=r"\(second\): test.mean.metric: input should be a valid string") as refused:
        claims.load(path)
    line = int(re.search(r"line (\d+)", str(refused.value))[1])
    assert text.splitlines()[line - 1].strip() == "metric:"


def test_fields_and_seed_may_be_declared(tmp_path):
    path = tmp_path / "claims.yml"
    path.write_text(yaml.safe_dump({"fields": ["rule"], "seed": "start", "claims": [VALID]}))
    assert (claims.load(path).fields, claims.load(path).seed) == (("rule",), "start")


def test_the_spread_of_a_difference_is_that_of_two_rows(tmp_path):
    rows = {"quantity": "combined_updates", "setting": "epoch 10", "minus": "epoch 1"}
    (claim,) = read(tmp_path, VALID | {"spread": rows})
    assert claim.deviation(PUBLISHED) == pytest.approx(np.hypot(0.97, 0.71))


def test_an_id_is_taken_once(tmp_path):
    with pytest.raises(InputError, match=r"line 18: the id 'gate-last' is taken"):
        read(tmp_path, VALID, changed())


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ({"quantity": "combined_update"}, "have 0 rows for 'combined_update', ''"),
        ({"quantity": "learning_rate", "setting": "epoch 1"}, "have 0 rows"),
        ({"quantity": "learning_rate"}, "have 2 rows"),
    ],
)
def test_a_row_that_does_not_exist_is_named(tmp_path, row, sentence):
    (claim,) = read(tmp_path, changed(published=row))
    with pytest.raises(InputError, match=sentence):
        claim.target(PUBLISHED)


def test_the_schema_accepts_what_the_loader_accepts_and_refuses_what_it_refuses():
    for given in ([VALID], {"fields": ["rule"], "claims": [changed(test=DIFFERENCE, published="same")]}):
        jsonschema.validate(given, claims.schema())
    for given in ([VALID | {"tolerence": 1}], {"claims": [changed(claim=None)]}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(given, claims.schema())

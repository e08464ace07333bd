"""The audit: what tests look at, and what entries say."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradbook.claims import audit
from gradbook.claims.audit import examine, observe
from gradbook.claims.claim import Claim, Difference, Mean
from gradbook.claims.evidence import Evidence, Runs
from gradbook.claims.statistics import sign_flip_p
from gradbook.errors import InputError

MEAN = Mean(statistic="mean", study="samples", where={"size": 1}, metric="third")
DIFFERENCE = Difference(statistic="difference", study="samples", where={"size": 2}, against={"size": 1}, metric="third")


def runs(values, **columns):
    """Runs of a study with one field: (size, seed) → third."""
    rows = [(size, seed, third) for (size, seed), third in values.items()]
    table = pd.DataFrame(rows, columns=["size", "seed", "third"]).assign(**columns)
    return Runs(table, ["size", *columns])


@settings(max_examples=5)
@given(seed=st.integers(0, 1000))
def test_the_order_of_the_runs_does_not_matter(seed):
    random = np.random.default_rng(seed)
    rows = runs({(size, one): random.normal() for size in (1, 2) for one in range(20)})
    shuffled = Runs(rows.table.sample(frac=1, random_state=seed), rows.fields)
    for test in (MEAN, DIFFERENCE):
        sample, again = observe(test, rows), observe(test, shuffled)
        assert sorted(sample) == sorted(again)
        assert sign_flip_p(sample, 1) == sign_flip_p(again[::-1], 1)


def test_a_mean_takes_the_runs_of_its_cell_at_any_seed():
    assert list(observe(MEAN, runs({(1, 0): 10.0, (1, 99): 99.0, (2, 0): 20.0}))) == [10.0, 99.0]


def test_runs_without_the_metric_are_left_out():
    assert list(observe(MEAN, runs({(1, 0): 10.0, (1, 1): np.nan}))) == [10.0]
    assert list(observe(DIFFERENCE, runs({(2, 0): 5.0, (1, 0): np.nan, (2, 1): 7.0, (1, 1): 4.0}))) == [3.0]


def test_a_difference_takes_the_runs_that_have_a_partner():
    sample = observe(DIFFERENCE, runs({(2, 0): 20.0, (1, 0): 10.0, (2, 1): 21.0, (1, 2): 12.0}))
    assert list(sample) == [10.0]


def test_a_difference_may_take_runs_of_several_cells():
    test = DIFFERENCE.model_copy(update={"where": {"size": [1, 2]}, "against": {"seed": 0}})
    sample = observe(test, runs({(1, 0): 1.0, (1, 1): 3.0, (2, 0): 2.0, (2, 1): 7.0}))
    assert list(sample) == [0.0, 2.0, 0.0, 5.0]


def test_partners_agree_in_every_other_field_missing_values_and_lists_included():
    values = {(2, 0): 20.0, (1, 0): 10.0, (2, 1): 21.0, (1, 1): 12.0}
    same = runs(values, rule=None, classes=[[1, 2]] * 4)
    assert list(observe(DIFFERENCE, same)) == [10.0, 9.0]
    other = runs(values, rule=["a", "a", "a", "b"])
    assert list(observe(DIFFERENCE, other)) == [10.0]


@pytest.mark.parametrize(
    ("test", "sentence"),
    [
        (MEAN.model_copy(update={"where": {}}), "a mean needs the runs of one cell.*selects 2 cells"),
        (MEAN.model_copy(update={"where": {"sice": 1}}), "did you mean 'size'"),
        (MEAN.model_copy(update={"where": {"size": [1, 7]}}), "unknown value of size 7; Known: 1, 2."),
        (MEAN.model_copy(update={"metric": "thirt"}), "unknown metric 'thirt'; did you mean 'third'"),
        (MEAN.model_copy(update={"at": 0}), "at must be left out where there are no curves"),
        (DIFFERENCE.model_copy(update={"against": {"size": 7}}), "unknown value of size 7"),
    ],
)
def test_selections_that_cannot_be_are_refused(test, sentence):
    with pytest.raises(InputError, match=sentence):
        observe(test, runs({(1, 0): 1.0, (2, 0): 2.0}))


def test_pairs_need_a_seed_and_runs_that_can_be_told_apart():
    twice = runs({(1, 0): 1.0, (2, 0): 2.0})
    without = Runs(twice.table.drop(columns="seed"), ["size"])
    with pytest.raises(InputError, match="unknown column 'seed'"):
        observe(DIFFERENCE, without)
    doubled = Runs(pd.concat([twice.table] * 2, ignore_index=True), ["size"])
    with pytest.raises(InputError, match=r"2 runs with \{'size': 1\} have but 1 cells and seeds"):
        observe(DIFFERENCE, doubled)


SAMPLES = runs({(size, seed): size / 3 + seed for size in (1, 2) for seed in range(4)})
CURVES = pd.DataFrame([[size / step + seed for step in (1, 2)] for size in (1, 2) for seed in range(4)])
NUMBERS = pd.DataFrame({"source": "log", "quantity": ["third", "share"], "setting": "", "value": [1.8, 40.0]}).assign(
    unit=["", "%"]
)
EVIDENCE = Evidence(
    {"samples": Runs(SAMPLES.table, ["size"], {"loss": CURVES}.__getitem__)}.__getitem__,
    {"samples": NUMBERS}.__getitem__,
    {"double": lambda number: 2 * number},
)


def claim(**fields):
    about = {"id": "a", "chapter": "samples", "citation": "x", "place": "x", "claim": "x", "because": "x"}
    return Claim.model_validate(about | {"test": MEAN.model_dump(), "published": 1.8, "tolerance": 0.1} | fields)


def test_an_entry_says_what_was_measured_and_how_surely():
    entry = examine(claim(), EVIDENCE)
    assert (entry.verdict, entry.runs) == ("reproduced", 4)
    assert entry.measured == pytest.approx(1 / 3 + 1.5)
    assert entry.measured - entry.low == pytest.approx(3.182 * np.std(range(4), ddof=1) / 2, rel=1e-3)
    assert entry.high - entry.measured == pytest.approx(entry.measured - entry.low)


def test_a_difference_is_tested_at_its_level():
    entry = examine(claim(published="greater", test=DIFFERENCE.model_dump(), tolerance=None, level=0.07), EVIDENCE)
    assert (entry.verdict, entry.p) == ("reproduced", 1 / 16)
    assert entry.measured == pytest.approx(1 / 3)


def test_a_point_of_a_curve_is_measured():
    entry = examine(claim(test=MEAN.model_dump() | {"metric": "loss", "at": 0}, published=2.5), EVIDENCE)
    assert (entry.verdict, entry.measured) == ("reproduced", 2.5)


def test_a_published_number_may_stand_in_the_table():
    assert examine(claim(published={"quantity": "third"}), EVIDENCE).published == 1.8
    assert examine(claim(published={"quantity": "share"}), EVIDENCE).published == 0.4


def test_a_smaller_experiment_says_so_in_its_verdict():
    assert examine(claim(reduced="five seeds"), EVIDENCE).verdict == "at reduced scale: reproduced"


def test_too_few_runs_are_no_attempt_and_say_how_many(monkeypatch):
    monkeypatch.setattr(audit, "LEAST", 5)
    entry = examine(claim(), EVIDENCE)
    assert (entry.verdict, entry.reason, entry.measured) == ("not attempted", "4 runs", None)


def test_a_claim_without_a_test_gives_its_reason():
    entry = examine(claim(test=None, not_attempted="no data"), EVIDENCE)
    assert (entry.verdict, entry.reason, entry.published) == ("not attempted", "no data", 1.8)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"test": MEAN.model_dump() | {"metric": "loss", "at": 2}}, "claim a: at must be below 2"),
        ({"test": {"statistic": "exact", "function": "dubble"}}, "claim a: unknown exact number 'dubble'; did you"),
        ({"test": {"statistic": "exact", "function": "double"}}, "claim a: arguments of double: missing .*'number'"),
        ({"published": {"quantity": "fourth"}}, "claim a: the published numbers have 0 rows for 'fourth', ''"),
    ],
)
def test_what_does_not_exist_is_refused_by_the_claim_s_name(fields, sentence):
    with pytest.raises(InputError, match=sentence) as refused:
        examine(claim(**fields), EVIDENCE)
    assert len(str(refused.value).splitlines()) == 1

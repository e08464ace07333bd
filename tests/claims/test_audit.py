"""The audit: what tests look at, what entries say, and that the book's own ledger is that of its results."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sampling import SAMPLES, Sample, measured

from gradbook.claims import audit, ledger
from gradbook.claims.audit import compute, examine, observe
from gradbook.claims.claim import Claim, Difference, Mean
from gradbook.claims.statistics import sign_flip_p
from gradbook.errors import InputError
from gradbook.experiments import catalogue
from gradbook.studies import results
from gradbook.studies.store import Outcome, Store
from gradbook.studies.study import Study, grid, key

STUDY = Study("samples", SAMPLES, grid(Sample, size=[2, 1], seed=range(5)))
MEAN = Mean(statistic="mean", study="samples", where={"size": 1}, metric="third")
DIFFERENCE = Difference(statistic="difference", study="samples", where={"size": 2}, against={"size": 1}, metric="third")


def frame(values):
    """Key, seed and value of runs: (size, seed) → value."""
    rows = [(key(SAMPLES, Sample(size=size, seed=seed)), seed, value) for (size, seed), value in values.items()]
    return pd.DataFrame(rows, columns=["key", "seed", "value"])


@settings(max_examples=5)
@given(seed=st.integers(0, 1000))
def test_the_order_of_the_runs_does_not_matter(seed):
    random = np.random.default_rng(seed)
    rows = frame({(size, one): random.normal() for size in (1, 2) for one in range(20)})
    shuffled = rows.sample(frac=1, random_state=seed)
    for test in (MEAN, DIFFERENCE):
        (sample, planned), (again, same) = observe(test, STUDY, rows), observe(test, STUDY, shuffled)
        assert sorted(sample) == sorted(again)
        assert planned == same == 20
        assert sign_flip_p(sample, 1) == sign_flip_p(again[::-1], 1)


def test_a_mean_takes_the_runs_of_its_cell_at_any_seed():
    rows = frame({(1, 0): 10.0, (1, 4): 14.0, (1, 99): 99.0, (2, 0): 20.0, (3, 0): 30.0})
    sample, planned = observe(MEAN, STUDY, rows)
    assert sorted(sample) == [10.0, 14.0, 99.0]
    assert planned == 5


def test_a_difference_takes_the_runs_whose_partner_was_measured_too():
    rows = frame({(2, 0): 20.0, (1, 0): 10.0, (2, 1): 21.0, (1, 2): 12.0})
    sample, planned = observe(DIFFERENCE, STUDY, rows)
    assert list(sample) == [10.0]
    assert planned == 5


def test_a_difference_may_take_runs_of_several_cells():
    test = DIFFERENCE.model_copy(update={"where": {"size": [1, 2]}, "against": {"seed": 0}})
    sample, planned = observe(test, STUDY, frame({(1, 0): 1.0, (1, 1): 3.0, (2, 0): 2.0, (2, 1): 7.0}))
    assert sorted(sample) == [0.0, 0.0, 2.0, 5.0]
    assert planned == 10


def test_nothing_measured_is_nothing_observed():
    sample, planned = observe(MEAN, STUDY, frame({}))
    assert len(sample) == 0
    assert planned == 5


@pytest.mark.parametrize(
    ("test", "sentence"),
    [
        (MEAN.model_copy(update={"where": {}}), "a mean needs the runs of one cell.*selects 2 cells"),
        (MEAN.model_copy(update={"where": {"sice": 1}}), "did you mean 'size'"),
        (MEAN.model_copy(update={"where": {"size": 7}}), "no run of study 'samples' has 'size=7'"),
        (DIFFERENCE.model_copy(update={"against": {"size": 7}}), "has a partner with {'size': 7}"),
    ],
)
def test_selections_that_cannot_be_are_refused(test, sentence):
    with pytest.raises(InputError, match=sentence):
        observe(test, STUDY, frame({}))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Results of the study of samples, seeds 0 to 3 of both cells."""
    monkeypatch.setitem(catalogue.STUDIES, "samples", lambda: STUDY)
    with Store(tmp_path / "store") as store:
        runs = [one for one in STUDY.configurations if one.seed < 4]
        store.add(SAMPLES, [Outcome(one, measured(one.size, one.seed), "", {}) for one in runs])
        results.export(STUDY, store, tmp_path / "results")
    return tmp_path / "results"


def claim(**fields):
    about = {"id": "a", "chapter": "10_concept", "citation": "x", "place": "x", "claim": "x", "because": "x"}
    return Claim.model_validate(about | {"test": MEAN.model_dump(), "published": 1.8, "tolerance": 0.1} | fields)


def test_an_entry_says_what_was_measured_and_how_surely(folder):
    entry = examine(claim(), folder)
    assert (entry.verdict, entry.runs, entry.planned) == ("reproduced", 4, 5)
    assert entry.measured == pytest.approx(1 / 3 + 1.5)
    assert entry.low < entry.measured < entry.high
    assert entry.measured - entry.low == pytest.approx(3.182 * np.std(range(4), ddof=1) / 2, rel=1e-3)


def test_a_difference_is_tested_at_its_level(folder):
    entry = examine(claim(published="greater", test=DIFFERENCE.model_dump(), tolerance=None, level=0.07), folder)
    assert (entry.verdict, entry.p) == ("reproduced", 1 / 16)
    assert entry.measured == pytest.approx(1 / 3)


def test_a_point_of_a_curve_is_measured(folder):
    entry = examine(claim(test=MEAN.model_dump() | {"metric": "test_loss", "at": 0}, published=2.5), folder)
    assert (entry.verdict, entry.measured) == ("reproduced", 2.5)


def test_a_smaller_experiment_says_so_in_its_verdict(folder):
    assert examine(claim(reduced="five seeds"), folder).verdict == "at reduced scale: reproduced"


def test_too_few_runs_are_no_attempt_and_say_how_many(folder, monkeypatch):
    monkeypatch.setattr(audit, "LEAST", 5)
    entry = examine(claim(), folder)
    assert (entry.verdict, entry.reason, entry.measured) == ("not attempted", "4 of 5 runs", None)


def test_results_that_nobody_exported_are_no_runs(folder, tmp_path):
    assert examine(claim(), tmp_path / "nowhere").reason == "0 of 5 runs"


def test_a_claim_without_a_test_gives_its_reason():
    entry = examine(claim(test=None, not_attempted="no data"))
    assert (entry.verdict, entry.reason, entry.published) == ("not attempted", "no data", 1.8)


@pytest.mark.parametrize(
    ("test", "sentence"),
    [
        (MEAN.model_dump() | {"study": "sample"}, "claim a: unknown study 'sample'; did you mean 'samples'"),
        (MEAN.model_dump() | {"metric": "thirt"}, "claim a: unknown metric 'thirt'; did you mean 'third'"),
        (MEAN.model_dump() | {"metric": "test_loss", "at": 3}, "claim a: at must be below 3"),
        (DIFFERENCE.model_dump() | {"against": {"sice": 1}}, "claim a: against: sice: extra inputs are not permitted"),
        ({"statistic": "exact", "function": "fifty_layer"}, "claim a: unknown exact number 'fifty_layer'; did you"),
        ({"statistic": "exact", "function": "predictors"}, "claim a: arguments of predictors: missing .*'count'"),
    ],
)
def test_a_test_of_something_that_does_not_exist_names_the_claim(folder, test, sentence):
    with pytest.raises(InputError, match=sentence) as refused:
        examine(claim(test=test), folder)
    assert len(str(refused.value).splitlines()) == 1


def test_the_committed_ledger_is_what_the_claims_and_the_results_give():
    committed, now = ledger.load(), compute()
    assert ledger.changed(committed, now) == [], "gradbook ledger --write renews the ledger"
    pd.testing.assert_frame_equal(committed, now, rtol=1e-5, atol=1e-9)


def test_every_claim_that_is_tested_on_runs_is_planned_enough_of_them():
    planned = ledger.load().planned.dropna()
    assert len(planned) > 40 and planned.min() >= audit.LEAST

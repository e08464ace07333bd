"""Times of students: which networks take turns, and what a record holds."""

from statistics import median

import pytest

from gradbook.data import load
from gradbook.errors import InputError
from gradbook.experiments import lowrank_times, study
from gradbook.experiments.lowrank_times import Configuration
from gradbook.lowrank import count
from gradbook.lowrank.convs import FAMILIES


def test_a_record_has_a_median_of_every_family_that_can_meet_the_budget():
    (record,) = lowrank_times.run(Configuration(rounds=3, batch_size=10), [0])
    small = {*FAMILIES} - {"grouped", "shuffle"}  # these two do not get down to 12,000 parameters
    assert {*record.metrics} == {*record.curves} == {f"{family}_milliseconds" for family in small}
    for name, taken in record.curves.items():
        assert len(taken) == 3
        assert record.metrics[name] == median(taken) > 0
    assert record.data.startswith("digits:")


def test_every_network_is_timed_by_its_own_passes(monkeypatch):
    seen = []
    made = {name: type("Network", (), {"predict_on_batch": lambda self, images, name=name: seen.append(name)})()
            for name in "ab"}  # fmt: skip
    monkeypatch.setattr(lowrank_times, "networks", lambda cell, dataset: made)
    (record,) = lowrank_times.run(Configuration(rounds=2), [0])
    assert seen == ["a", "b"] * 3
    assert list(record.curves) == ["a_milliseconds", "b_milliseconds"]


def test_networks_have_the_budget_or_no_hyperparameter_to_meet_it_with():
    digits = load("digits")
    assert {*lowrank_times.networks(Configuration(budget=10), digits)} == {"plain", "separable"}
    for family, network in lowrank_times.networks(Configuration(budget=20_000), digits).items():
        if FAMILIES[family].hyperparameter and not FAMILIES[family].is_whole:
            assert count.parameters(network) == pytest.approx(20_000, rel=0.02)


def test_texts_are_refused():
    with pytest.raises(InputError, match="'reviews-toy' holds no images"):
        lowrank_times.run(Configuration(dataset="reviews-toy"), [0])


def test_the_study_times_the_budgets_that_are_trained():
    trained = {cell.budget for cell in study("lowrank").planned} - {None}
    assert {cell.budget for cell in study("lowrank_times").planned} == trained

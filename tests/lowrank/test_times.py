"""Times of students: which networks take turns, and what a record holds."""

from functools import partial
from statistics import median

import pytest

from gradbook.errors import InputError
from gradbook.lowrank import count, times
from gradbook.lowrank.convs import FAMILIES
from gradbook.lowrank.networks import wide_resnet
from gradbook.lowrank.times import Configuration
from gradbook.studies.catalogue import study


def test_a_record_has_a_median_of_every_family_that_can_meet_the_budget():
    configuration = Configuration(rounds=3, batch_size=10)
    (record,) = times.run(configuration, [0])
    small = {*FAMILIES} - {"grouped", "shuffle"}  # these two do not get down to 12,000 parameters
    assert {*record.metrics} == {*record.curves} == {f"{family}_milliseconds" for family in small}
    for name, taken in record.curves.items():
        assert len(taken) == 3
        assert record.metrics[name] == median(taken) > 0
    assert record.data.startswith("digits:")


def test_networks_have_the_budget_or_no_hyperparameter_to_meet_it_with():
    build = partial(wide_resnet, 10, 1, 10, shape=(8, 8, 1))
    assert {*times.networks(build, 10)} == {"plain", "separable"}
    for family, network in times.networks(build, 20_000).items():
        if FAMILIES[family].hyperparameter and FAMILIES[family].kind is float:
            assert count.parameters(network) == pytest.approx(20_000, rel=0.02)


def test_networks_take_turns_after_one_that_is_not_counted():
    calls = []

    class Network:
        def __init__(self, name):
            self.name = name

        def predict_on_batch(self, images):
            calls.append((self.name, images))

    taken = times.in_turns({name: Network(name) for name in "ab"}, "images", rounds=2)
    assert calls == [(name, "images") for name in "ababab"]
    assert {name: len(values) for name, values in taken.items()} == {"a": 2, "b": 2}


def test_texts_are_refused():
    with pytest.raises(InputError, match="dataset must hold images; 'reviews-toy' holds none"):
        times.run(Configuration(dataset="reviews-toy"), [0])


def test_the_study_times_the_budgets_that_are_trained():
    trained = {run.budget for run in study("lowrank").configurations} - {None}
    assert {run.budget for run in study("lowrank_times").configurations} == trained

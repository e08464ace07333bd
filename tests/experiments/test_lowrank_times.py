"""Times of students: which networks take turns, and what a record holds."""

from functools import partial
from statistics import median

import numpy as np
import pytest

from gradbook.errors import InputError
from gradbook.experiments import lowrank_times as times
from gradbook.experiments.catalogue import study
from gradbook.experiments.lowrank_times import Configuration
from gradbook.lowrank import count
from gradbook.lowrank.convs import FAMILIES
from gradbook.lowrank.networks import wide_resnet
from gradbook.seeds import generator


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


def test_a_pass_takes_the_images_through_its_own_network():
    networks = {name: wide_resnet(10, 1, 10, shape=(8, 8, 1)) for name in "ab"}
    images = generator(0, "images").random((5, 8, 8, 1), dtype=np.float32)
    for name, one in times.passes(networks, images).items():
        np.testing.assert_array_equal(one(0), networks[name].predict_on_batch(images))
    assert not np.array_equal(*(network.predict_on_batch(images) for network in networks.values()))


def test_texts_are_refused():
    with pytest.raises(InputError, match="'reviews-toy' holds no images"):
        times.run(Configuration(dataset="reviews-toy"), [0])


def test_the_study_times_the_budgets_that_are_trained():
    trained = {run.budget for run in study("lowrank").configurations} - {None}
    assert {run.budget for run in study("lowrank_times").configurations} == trained

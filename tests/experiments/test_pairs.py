"""Pairs of classes: tasks that share no test image, the published network, and a separate trunk."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from gradbook.data import load
from gradbook.errors import InputError
from gradbook.experiments.pairs import Configuration, images, run, summary, tasks

SHORT = {"epochs": 2, "steps_per_epoch": 10}
LABELS = np.repeat(np.arange(5), 20)


@given(st.integers(0, 4), st.integers(0, 4), st.integers(0, 2**32 - 1))
@settings(max_examples=30)
def test_tasks_are_balanced_and_nothing_tested_was_trained_on(main, auxiliary, seed):
    divided = tasks(LABELS, main, auxiliary, seed)
    for name, chosen, count in (("main", main, 16), ("auxiliary", auxiliary, 16), ("test", main, 4)):
        indices, truth = divided[name]
        assert (LABELS[indices] == chosen).tolist() == truth.astype(bool).tolist()
        assert truth.sum() == count == len(truth) - count
        assert len(set(indices)) == len(indices)
        assert not np.isin(LABELS[indices[truth == 0]], (main, auxiliary)).any()
    trained = {*divided["main"][0], *divided["auxiliary"][0]}
    assert trained.isdisjoint(divided["test"][0])


def test_of_one_class_twice_the_tasks_share_its_images_and_no_others():
    divided = tasks(LABELS, 2, 2, seed=0)
    (main, truth), (auxiliary, _) = divided["main"], divided["auxiliary"]
    assert set(main[truth == 1]) == set(auxiliary[truth == 1])
    assert set(main[truth == 0]) != set(auxiliary[truth == 0])


def test_too_few_other_images_are_refused():
    with pytest.raises(InputError, match="'main' needs 80 images of other classes; there are 16"):
        tasks(np.repeat([0, 1], [100, 20]), 0, 0, seed=0)


@pytest.fixture(scope="module")
def gated():
    return run(Configuration(**SHORT), [0, 1])


def test_equal_seeds_give_equal_numbers_and_others_do_not(gated):
    again = run(Configuration(**SHORT), [1])
    assert again[0].curves == gated[1].curves != gated[0].curves


def test_records_hold_a_number_an_epoch(gated):
    for record in gated:
        assert set(record.metrics) == set(record.curves)
        assert {len(curve) for curve in record.curves.values()} == {2}
        assert record.metrics["test_accuracy"] == record.curves["test_accuracy"][-1]
        assert record.metrics["cosine"] == pytest.approx(np.mean(record.curves["cosine"]))
        assert record.data == load("digits").identity


def test_what_was_published_as_a_cosine_is_a_product_cut_off():
    measured = summary(*np.array([[0.5, -0.5, 0.001], [2, 2, 2], [3, 3, 3]]))
    assert measured["clipped_product"] == pytest.approx((1 - 1 + 0.006) / 3)
    assert measured["cosine"] == pytest.approx(0.001 / 3)
    assert measured["agreement"] == pytest.approx(2 / 3)


def test_separate_and_shared_trunks_are_the_same_run_until_the_first_conflict():
    one_step = {"epochs": 1, "steps_per_epoch": 1}
    shared, separate = (
        run(Configuration(auxiliary_trunk=trunk, **one_step), [0])[0] for trunk in ("shared", "separate")
    )
    assert shared.curves["cosine"][0] > 0
    assert separate.curves["cosine"] == pytest.approx(shared.curves["cosine"], rel=1e-4)
    assert separate.curves["test_loss"] == pytest.approx(shared.curves["test_loss"], rel=1e-4)


@pytest.mark.parametrize(
    ("choice", "complaint"),
    [
        ({"main_class": "12"}, "12"),
        ({"dataset": "reviews-toy"}, "'reviews-toy' holds no images"),
        ({"dataset": "digts"}, "did you mean 'digits'"),
    ],
)
def test_data_that_cannot_serve_are_refused(choice, complaint):
    with pytest.raises(InputError, match=complaint):
        run(Configuration(**SHORT, **choice), [0])


@pytest.mark.parametrize(
    "choice",
    (
        {"rule": "projektion"},
        {"epochs": 0},
        {"network": "resnet"},
        {"auxiliary_trunk": "separate", "rule": "multitask"},
    ),
)
def test_impossible_configurations_are_refused(choice):
    with pytest.raises(ValidationError):
        Configuration(**choice)


def test_classes_may_be_given_as_numbers_and_sets_are_pooled():
    assert Configuration(main_class=3).main_class == "3"
    assert len(images("digits")[0]) == 1797

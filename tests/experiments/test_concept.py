"""The concept experiment: validated, repeatable, paired over rules, and honest about lost runs."""

import numpy as np
import pytest
from pydantic import ValidationError

from gradbook.data import load
from gradbook.errors import InputError, RunError
from gradbook.experiments.concept import STEPWISE, Configuration, pair, run

SHORT = {"epochs": 2, "steps_per_epoch": 10}


@pytest.fixture(scope="module")
def gated():
    return run(Configuration(**SHORT), [0, 1])


def test_records_hold_a_number_an_epoch_and_the_last_of_each(gated):
    for record in gated:
        assert {len(curve) for curve in record.curves.values()} == {2}
        assert set(record.metrics) == set(record.curves)
        for name in ("train_loss", "test_loss", "train_accuracy", "test_accuracy"):
            assert record.metrics[name] == record.curves[name][-1]
        for name in STEPWISE:
            assert record.metrics[name] == pytest.approx(np.mean(record.curves[name]))
        assert record.data == load("digits").identity


def test_equal_seeds_give_equal_numbers_and_others_do_not(gated):
    again = run(Configuration(**SHORT), [1])
    assert again[0].curves == gated[1].curves != gated[0].curves


def test_an_auxiliary_task_of_weight_zero_is_none():
    weightless, single = (
        run(Configuration(**SHORT, **choice), [0])[0].metrics
        for choice in ({"rule": "multitask", "weight": 0}, {"rule": "single_task"})
    )
    assert weightless == pytest.approx(single, rel=1e-6)


def test_labels_of_zero_change_the_auxiliary_gradient(gated):
    wrong = run(Configuration(**SHORT, auxiliary_labels="zero"), [0])
    assert wrong[0].curves["cosine"] != gated[0].curves["cosine"]


def test_pairs_of_classes_become_labels_of_0_and_1():
    digits = load("digits")
    images, labels = pair(digits, (4, 3), "test")
    truth = digits.y_test[np.isin(digits.y_test, (3, 4))]
    assert images.shape == (len(truth), 8, 8, 1)
    assert (labels == (truth == 3)).all()


def test_a_lost_run_is_named():
    with pytest.raises(RunError, match="became nan in epoch 1; a smaller learning_rate"):
        run(Configuration(**SHORT, learning_rate=1e30), [0])


@pytest.mark.parametrize(
    ("choice", "complaint"),
    [
        ({"main_classes": (1, 12)}, "class 12 does not occur in digits; its classes are 0 to 9"),
        ({"main_classes": (3, 3)}, "two classes of a task must differ; received 3 twice"),
        ({"auxiliary_classes": (0, 0)}, "two classes of a task must differ; received 0 twice"),
        ({"dataset": "reviews-toy"}, "'reviews-toy' holds no images"),
        ({"dataset": "digts"}, "did you mean 'digits'"),
    ],
)
def test_data_that_cannot_serve_are_refused(choice, complaint):
    with pytest.raises(InputError, match=complaint):
        run(Configuration(**SHORT, **choice), [0])


@pytest.mark.parametrize("choice", ({"rule": "projektion"}, {"epochs": 0}, {"learning_rate": -1}, {"lambda": 1}))
def test_impossible_configurations_are_refused(choice):
    with pytest.raises(ValidationError):
        Configuration(**choice)

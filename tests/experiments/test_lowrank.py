"""The experiment, on digits."""

from dataclasses import replace
from itertools import product

import pytest
from pydantic import ValidationError

from gradbook.data import load
from gradbook.errors import InputError
from gradbook.experiments import lowrank, study
from gradbook.experiments.lowrank import Configuration
from gradbook.lowrank.convs.table import FAMILIES, Family


@pytest.fixture
def teachers(monkeypatch, tmp_path):
    """Teachers kept where only this test sees them."""
    monkeypatch.setenv("GRADBOOK_DATA", str(tmp_path))
    return tmp_path / "teachers"


def test_a_student_with_a_teacher_is_measured_and_repeatable(teachers):
    cell = Configuration(family="low_rank", budget=20_000, beta=1000, epochs=2, images=256)
    (record,) = lowrank.run(cell, [0])
    (kept,) = teachers.glob("*/state.json")
    _, again = lowrank.run(cell, [1, 0])
    assert record.curves == again.curves
    assert all(len(curve) == 2 for curve in record.curves.values())
    assert record.metrics == again.metrics
    assert record.metrics["parameters"] == pytest.approx(20_000, rel=0.02)
    assert 0 <= record.metrics["teacher_test_accuracy"] <= 1
    assert list(teachers.glob("*/state.json")) == [kept]


def test_a_teacher_is_of_one_number_of_threads_and_one_version_at_any_rate_of_the_student(teachers, monkeypatch):
    monkeypatch.delenv("TF_NUM_INTRAOP_THREADS", raising=False)
    cell = Configuration(beta=1000, epochs=1, images=10)
    lowrank.run(cell, [0])
    lowrank.run(cell.model_copy(update={"learning_rate": 0.01}), [0])
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "1")
    lowrank.run(cell, [0])
    monkeypatch.setattr(lowrank, "EXPERIMENT", replace(lowrank.EXPERIMENT, version=0))
    lowrank.run(cell, [0])
    assert len(list(teachers.glob("*/state.json"))) == 3


def test_held_out_images_are_not_trained_on():
    parts = lowrank.split(load("digits"), images=10_000)
    shown = {image.tobytes() for image in parts["train"][0]}
    unseen = [image for image in parts["held_out"][0] if image.tobytes() not in shown]
    assert len(parts["train"][0]) + len(parts["held_out"][0]) == 1438
    assert len(unseen) > 0.99 * len(parts["held_out"][0])


@pytest.mark.parametrize(
    ("choice", "sentence"),
    [
        ({"family": "low_rank", "value": 0.1, "budget": 20_000}, "give one of them"),
        ({"family": "low_ranks"}, "unknown convolution 'low_ranks'; did you mean 'low_rank'"),
        ({"family": "low_rank"}, "family 'low_rank' takes a value or a budget; received None and None"),
        ({"budget": 20_000}, "family 'plain' takes neither value nor budget; received None and 20000"),
        ({"family": "low_rank", "value": 0.1, "order": "none"}, "order is acdc's; family 'low_rank'"),
    ],
)
def test_choices_that_do_not_go_together_are_refused(choice, sentence):
    with pytest.raises(ValidationError, match=sentence):
        Configuration(**choice)


def test_a_family_that_is_added_to_the_table_can_be_chosen(monkeypatch):
    monkeypatch.setitem(FAMILIES, "own", Family("own", "mine:Own", "width", 4))
    assert Configuration(family="own", value=3).family == "own"


def test_texts_are_refused():
    with pytest.raises(InputError, match="'reviews-toy' holds no images"):
        lowrank.run(Configuration(dataset="reviews-toy"), [0])


def test_the_study_compares_every_family_at_equal_budgets():
    runs = study("lowrank").runs.values()
    compared = [run for run in runs if run.cell.budget and run.cell.cutout and run.cell.order is None]
    cells = {(run.cell.family, run.cell.budget, run.cell.beta > 0, run.seed) for run in compared}
    families = {family for family, *_ in cells}
    assert len(families) == 9
    decided = {  # what claims compare has ten seeds
        *product(["hashed", "separable_hashed"], [36_000], [False, True], range(10)),
        *product(["low_rank", "acdc"], [36_000], [True], range(10)),
    }
    assert cells == {*product(families, [36_000, 56_000], [False, True], range(2))} | decided

"""The experiment, on digits."""

from dataclasses import replace
from itertools import product
from typing import get_args

import pytest
from pydantic import ValidationError

from gradbook.errors import InputError
from gradbook.experiments import lowrank as students
from gradbook.experiments.catalogue import study
from gradbook.experiments.lowrank import Configuration
from gradbook.lowrank import FamilyName
from gradbook.lowrank.convs import FAMILIES


@pytest.fixture
def teachers(monkeypatch, tmp_path):
    """Teachers kept where only this test sees them."""
    monkeypatch.setenv("GRADBOOK_DATA", str(tmp_path))
    return tmp_path / "teachers"


def test_a_student_with_a_teacher_is_measured_and_repeatable(teachers):
    configuration = Configuration(family="low_rank", budget=20_000, beta=1000, epochs=2, images=256)
    (record,) = students.run(configuration, [0])
    (kept,) = teachers.glob("*/state.json")
    _, again = students.run(configuration, [1, 0])
    assert record.curves == again.curves
    assert all(len(curve) == 2 for curve in record.curves.values())
    assert record.metrics == again.metrics
    assert not {*record.metrics} & {*Configuration.model_fields}, "a table of results holds both"
    assert record.metrics["parameters"] == pytest.approx(20_000, rel=0.02)
    assert 0 <= record.metrics["teacher_accuracy"] <= 1
    assert list(teachers.glob("*/state.json")) == [kept]


def test_a_teacher_is_of_one_number_of_threads_and_one_version_at_any_rate_of_the_student(teachers, monkeypatch):
    monkeypatch.delenv("TF_NUM_INTRAOP_THREADS", raising=False)
    configuration = Configuration(beta=1000, epochs=1, images=10)
    students.run(configuration, [0])
    students.run(configuration.model_copy(update={"learning_rate": 0.01}), [0])
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "1")
    students.run(configuration, [0])
    monkeypatch.setattr(students, "EXPERIMENT", replace(students.EXPERIMENT, version=0))
    students.run(configuration, [0])
    assert len(list(teachers.glob("*/state.json"))) == 3


def test_held_out_images_are_not_trained_on():
    data = students.Images(Configuration(images=10_000))
    shown = {image.tobytes() for image in data.train[0]}
    unseen = [image for image in data.held_out[0] if image.tobytes() not in shown]
    assert len(data.train[0]) + len(data.held_out[0]) == 1438
    assert len(unseen) > 0.99 * len(data.held_out[0])


@pytest.mark.parametrize(
    ("choice", "sentence"),
    [
        ({"family": "low_rank", "value": 0.1, "budget": 20_000}, "give one of them"),
        ({"family": "low_ranks"}, "'low_rank'"),
        ({"family": "low_rank"}, "family 'low_rank' takes a value or a budget; received None and None"),
        ({"budget": 20_000}, "family 'plain' takes neither value nor budget; received None and 20000"),
        ({"family": "low_rank", "value": 0.1, "order": "none"}, "order is acdc's; family 'low_rank'"),
    ],
)
def test_choices_that_do_not_go_together_are_refused(choice, sentence):
    with pytest.raises(ValidationError, match=sentence):
        Configuration(**choice)


def test_the_families_are_those_of_the_table():
    assert list(get_args(FamilyName)) == list(FAMILIES)


def test_texts_are_refused():
    with pytest.raises(InputError, match="'reviews-toy' holds no images"):
        students.run(Configuration(dataset="reviews-toy"), [0])


def test_the_study_compares_every_family_at_equal_budgets():
    runs = study("lowrank").configurations
    runs = [one for one in runs if one.budget and one.cutout and one.order is None]
    cells = {(one.family, one.budget, one.beta > 0, one.seed) for one in runs}
    families = {family for family, *_ in cells}
    assert len(families) == 9
    third = {("acdc", 36_000, True, 2)}  # beside which other shuffles stand
    assert cells == {*product(families, [36_000, 56_000], [False, True], range(2))} | third

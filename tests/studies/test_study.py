"""Keys, selections and labels of studies."""

import hashlib
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sampling import SAMPLES, Sample

from gradbook.errors import InputError
from gradbook.experiments import catalogue
from gradbook.studies import results
from gradbook.studies.experiment import Record
from gradbook.studies.study import Study, grid, key

configurations = st.builds(
    Sample,
    seed=st.integers(0, 2**32 - 1),
    size=st.floats(0, allow_infinity=False) | st.integers(0, 2**53),
    does=st.sampled_from(["finish", "raise", "die"]),
    log=st.text(max_size=5),
)


@given(configurations, configurations)
def test_keys_are_equal_exactly_for_equal_configurations(one, other):
    assert (key(SAMPLES, one) == key(SAMPLES, other)) == (one == other)


@given(configurations)
def test_keys_survive_a_round_trip_through_json(one):
    assert key(SAMPLES, Sample.model_validate_json(one.model_dump_json())) == key(SAMPLES, one)


@given(configurations)
def test_keys_tell_experiments_versions_and_seeds_apart(one):
    others = [replace(SAMPLES, name="others"), replace(SAMPLES, version=2)]
    keys = {key(experiment, one) for experiment in [SAMPLES, *others]}
    assert len(keys | {key(SAMPLES, one.model_copy(update={"seed": one.seed ^ 1}))}) == 4


def test_a_key_is_the_documented_hash():
    text = b'["samples",1,{"does":"finish","log":"","pause":0.0,"seed":0,"size":1.0}]'
    assert key(SAMPLES, Sample()) == hashlib.sha256(text).hexdigest()


def test_grid_is_every_combination_and_refuses_what_a_field_cannot_be():
    runs = grid(Sample, size=[1, 2], seed=range(3))
    assert [(run.size, run.seed) for run in runs] == [(1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (2, 2)]
    with pytest.raises(ValueError, match="does"):
        grid(Sample, does=["finnish"])


STUDY = Study("samples", SAMPLES, grid(Sample, size=[1, 2], does=["finish", "raise"], seed=range(3)))


@pytest.mark.parametrize(
    ("conditions", "left"),
    [
        ([], 12),
        (["size=1"], 6),
        (["size=1.0", "seed=2"], 2),
        (["size=1", "size=2e0", "does=raise"], 6),
        (["log=", "pause=0"], 12),
    ],
)
def test_where_reads_values_as_the_fields_type(conditions, left):
    assert len(STUDY.where(*conditions).runs) == left


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("siez=1", "did you mean 'size'"),
        ("does=rise", "'finish', 'raise'"),
        ("size=large", "size=large"),
        ("seed", "field=value"),
        ("size=3", r"\[1.0, 2.0\]"),
    ],
)
def test_where_says_what_is_wrong(condition, said):
    with pytest.raises(InputError, match=said):
        STUDY.where(condition)


def test_with_seeds_replaces_the_seeds_of_every_cell():
    runs = STUDY.with_seeds(5).configurations
    assert [run.seed for run in runs] == [0, 1, 2, 3, 4] * 4
    assert set(STUDY.runs) < set(STUDY.with_seeds(5).runs)


def test_labels_are_unique_and_the_same_in_a_selection():
    labels = {STUDY.label(run) for run in STUDY.configurations}
    assert len(labels) == 12
    assert "size=2.0,does=raise,seed=1" in labels
    chosen = STUDY.where("size=2", "seed=1")
    assert {chosen.label(run) for run in chosen.configurations} < labels


@pytest.mark.parametrize("name", catalogue.STUDIES)
def test_every_study_of_the_book_has_runs_of_its_own_and_its_own_name(name):
    study = catalogue.study(name)
    assert study.name == name
    assert len(study.runs) == len(study.configurations) > 0


def test_an_unknown_study_is_refused_with_the_nearest():
    with pytest.raises(InputError, match="did you mean 'concept'"):
        catalogue.study("concpet")


def test_the_pages_study_of_your_own_is_one():
    page = (results.FOLDER.parent / "sweeps.md").read_text(encoding="utf-8")
    names = {"__name__": "walk"}
    exec(re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)[-1], names)
    study = names["STUDY"]
    assert len(study.runs) == 20
    assert study.experiment.run(study.configurations[0], [3]) == [Record({"distance": 13.0})]
    assert study.label(study.configurations[-1]) == "steps=100,seed=9"

"""Keys, selections and labels of studies."""

import hashlib
import re
from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sampling import SAMPLES, Sample

from gradbook import experiments
from gradbook.errors import InputError
from gradbook.files import BOOK
from gradbook.studies.study import Run, Study, grid, plan

cells = st.builds(
    Sample,
    size=st.floats(0, allow_infinity=False) | st.integers(0, 2**53),
    does=st.sampled_from(["finish", "raise", "die"]),
    log=st.text(max_size=5),
)
runs = st.builds(Run, st.just(SAMPLES), cells, st.integers(0, 2**32 - 1))


few = st.builds(
    Run,
    st.just(SAMPLES),
    st.builds(Sample, size=st.sampled_from([0, 0.0, -0.0, 1, 1.0, 2**53])),
    st.integers(0, 1),
)


@given(runs | few, runs | few)
def test_keys_are_equal_exactly_for_equal_runs(one, other):
    assert (one.key == other.key) == ((one.cell, one.seed) == (other.cell, other.seed))


@given(runs)
def test_keys_survive_a_round_trip_through_json(one):
    assert replace(one, cell=Sample.model_validate_json(one.cell.model_dump_json())).key == one.key


@given(runs)
def test_keys_tell_experiments_versions_and_seeds_apart(one):
    others = [replace(one, experiment=replace(SAMPLES, **change)) for change in ({"name": "others"}, {"version": 2})]
    assert len({run.key for run in (one, *others, replace(one, seed=one.seed ^ 1))}) == 4


def test_a_key_is_the_documented_hash():
    text = b'["samples",1,{"does":"finish","log":"","pause":0.0,"size":1.0},0]'
    assert Run(SAMPLES, Sample(), 0).key == hashlib.sha256(text).hexdigest()


def test_grid_is_every_combination_and_refuses_what_a_field_cannot_be():
    assert [(cell.size, cell.pause) for cell in grid(Sample, size=[1, 2], pause=[0, 3])] == [
        *[(1, 0), (1, 3), (2, 0), (2, 3)]
    ]
    with pytest.raises(InputError, match=r"^does: .*'finnish'\.$"):
        grid(Sample, does=["finnish"])
    with pytest.raises(InputError, match=r"field.*'sise'.*size"):
        grid(Sample, sise=[1])


def test_a_plan_joins_the_seeds_of_a_cell_that_is_named_twice():
    planned = plan((grid(Sample, size=[1, 2]), 2), ([Sample(size=2)], [7, 1]))
    assert planned == {Sample(size=1): (0, 1), Sample(size=2): (0, 1, 7)}


STUDY = Study("samples", SAMPLES, plan((grid(Sample, size=[1, 2], does=["finish", "raise"]), 3)))


@pytest.mark.parametrize(
    ("fields", "left"),
    [
        ({}, 12),
        ({"size": 1}, 6),
        ({"size": "1.0", "seed": 2}, 2),
        ({"size": [1, 2], "does": "raise"}, 6),
        ({"log": "", "pause": 0}, 12),
        ({"seed": range(2)}, 8),
    ],
)
def test_a_selection_reads_values_as_the_fields_type(fields, left):
    assert len(STUDY.select(**fields).runs) == left


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"siez": 1}, "did you mean 'size'"),
        ({"does": "rise"}, "'finish', 'raise'.*received 'rise'"),
        ({"size": "large"}, "size: .*received 'large'"),
        ({"size": None}, "size: .*received None"),
        ({"seed": "first"}, "seed: .*received 'first'"),
        ({"size": 3}, r"has no run with size=3; allowed are size 1\.0, 2\.0\."),
        ({"seed": 9, "size": 1}, "seed=9, size=1; allowed are seed 0, 1, 2; size"),
    ],
)
def test_a_selection_says_what_is_wrong(fields, said):
    with pytest.raises(InputError, match=said):
        STUDY.select(**fields)


@pytest.mark.parametrize(
    ("name", "fields", "said"),
    [
        ("synthetic", {"mode": "dni"}, "mode: input should be .*'DNI' or 'cDNI'; received 'dni'.$"),
        ("concept", {"rule": "projektion"}, "^rule: unknown rule 'projektion'; (?!.*received)"),
    ],
)
def test_a_selection_says_words_as_they_are_written_and_says_them_once(name, fields, said):
    with pytest.raises(InputError, match=said):
        import_module(f"gradbook.experiments.{name}").STUDY.select(**fields)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: grid(Sample, size=3), "size must be a list of values; received 3"),
        (lambda: plan(grid(Sample, size=[1, 2]), 4), r"pairs of cells and seeds, \(grid\(…\), 4\); received"),
        (lambda: Study("samples", SAMPLES, grid(Sample)), "planned must be what plan returns"),
        (lambda: Study("../out", SAMPLES, plan()), "name must be of letters, digits, - and _; received '../out'"),
    ],
)
def test_what_is_no_study_is_refused_before_it_is_swept(make, said):
    with pytest.raises(InputError, match=said):
        make()


def test_with_seeds_replaces_the_seeds_of_every_cell():
    assert [run.seed for run in STUDY.with_seeds(5).runs.values()] == [0, 1, 2, 3, 4] * 4
    assert set(STUDY.runs) < set(STUDY.with_seeds(5).runs)


def test_seeds_from_a_table_are_seeds():
    assert STUDY.with_seeds(np.arange(3)).runs.keys() == STUDY.runs.keys()
    with pytest.raises(TypeError):
        STUDY.with_seeds([0.5])


def test_labels_are_unique_and_the_same_in_a_selection():
    labels = {STUDY.label(run) for run in STUDY.runs.values()}
    assert len(labels) == 12
    assert "size=2.0,does=raise,seed=1" in labels
    chosen = STUDY.select(size=2).select(seed=1)
    assert {chosen.label(run) for run in chosen.runs.values()} < labels


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("concpet", "did you mean 'concept'"),
        ("no_such_module:STUDY", "'no_such_module:STUDY' cannot be imported"),
        ("sampling:NOTHING", "cannot be imported: .*NOTHING"),
        ("sampling:SAMPLES", "must be a gradbook.studies.study.Study; received Experiment"),
    ],
)
def test_what_is_no_study_is_refused(name, said):
    with pytest.raises(InputError, match=said):
        experiments.study(name)


def test_the_pages_study_of_your_own_is_one(tmp_path, monkeypatch):
    page = (BOOK / "sweeps.md").read_text(encoding="utf-8")
    (tmp_path / "walk.py").write_text(re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)[-1])
    monkeypatch.syspath_prepend(tmp_path)
    study = experiments.study("walk:STUDY")
    assert len(study.runs) == 20
    first, *_, last = study.runs.values()
    assert study.experiment.run(first.cell, [3])[0].metrics == {"distance": 13.0}
    assert study.label(last) == "steps=100,seed=9"

"""Results: exported completely and deterministically, merged with what is committed, read back exactly."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sampling import SAMPLES, Sample, measured

from gradbook.errors import InputError
from gradbook.experiments import catalogue
from gradbook.studies import results
from gradbook.studies.experiment import Record
from gradbook.studies.store import Outcome, Store
from gradbook.studies.study import Study, grid, key

STUDY = Study("samples", SAMPLES, grid(Sample, size=[2, 1], seed=range(3)))
HERE = {"commit": "c0ffee", "dirty": False, "libraries": {"numpy": "2"}, "machine": {"cores": 2}}
THERE = HERE | {"machine": {"cores": 64}}


def filled(path, configurations, origin=HERE, experiment=SAMPLES):
    """A store in which these have run."""
    store = Store(path)
    store.add(experiment, [Outcome(one, measured(one.size, one.seed), "", origin) for one in configurations])
    return store


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_results_are_what_was_measured_in_the_studys_order(tmp_path):
    store = filled(tmp_path / "store", reversed(STUDY.configurations))
    assert results.export(STUDY, store, tmp_path / "out") == results.Exported(runs=6, added=6, dropped=0)
    frame = results.load("samples", tmp_path / "out")
    assert list(zip(frame["size"], frame["seed"], strict=True)) == [(2, 0), (2, 1), (2, 2), (1, 0), (1, 1), (1, 2)]
    assert list(frame["third"]) == [size / 3 + seed for size, seed in zip(frame["size"], frame["seed"], strict=True)]
    assert list(frame["key"]) == list(STUDY.runs)
    assert set(frame["seconds"]) == {0.25}
    curves = results.load_curves("samples", "test_loss", tmp_path / "out")
    exact = [measured(run.size, run.seed).curves["test_loss"] for run in STUDY.configurations]
    np.testing.assert_array_equal(curves, np.float32(exact))


def test_equal_stores_give_equal_bytes_and_a_second_export_changes_nothing(tmp_path):
    for name, runs in ("a", STUDY.configurations), ("b", STUDY.configurations[::-1]):
        results.export(STUDY, filled(tmp_path / f"{name}.sqlite", runs), tmp_path / name)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    with Store(tmp_path / "a.sqlite") as store:
        assert results.export(STUDY, store, tmp_path / "a") == results.Exported(runs=6, added=0, dropped=0)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_parts_from_two_machines_merge_into_the_same_results_as_one_export(tmp_path):
    first, second = STUDY.configurations[:4], STUDY.configurations[2:]
    both = filled(tmp_path / "both", first)
    both.add(SAMPLES, [Outcome(one, measured(one.size, one.seed), "", THERE) for one in second])
    results.export(STUDY, both, tmp_path / "once")
    results.export(STUDY, filled(tmp_path / "one", first), tmp_path / "parts")
    results.export(STUDY, filled(tmp_path / "two", second, THERE), tmp_path / "parts")
    assert contents(tmp_path / "once") == contents(tmp_path / "parts")
    origins = results.provenance("samples", tmp_path / "parts")["origins"]
    assert sorted((origin["machine"]["cores"], origin["runs"]) for origin in origins.values()) == [(2, 4), (64, 2)]
    assert {origin["data"] for origin in origins.values()} == {"none:0"}


def test_more_seeds_of_the_studys_cells_belong_to_it_and_other_cells_do_not(tmp_path):
    store = filled(tmp_path / "store", [Sample(size=1, seed=99), Sample(size=3)])
    results.export(STUDY, store, tmp_path)
    assert list(results.load("samples", tmp_path)["seed"]) == [99]


def test_results_of_another_version_are_dropped_and_counted(tmp_path):
    results.export(STUDY, filled(tmp_path / "store", STUDY.configurations), tmp_path)
    later = replace(STUDY, experiment=replace(SAMPLES, version=2))
    store = filled(tmp_path / "store", STUDY.configurations[:2], experiment=later.experiment)
    assert results.export(later, store, tmp_path) == results.Exported(runs=2, added=2, dropped=6)
    assert results.provenance("samples", tmp_path)["version"] == 2
    assert len(results.load_curves("samples", "test_loss", tmp_path)) == 2


def test_an_export_that_was_interrupted_before_the_csv_can_be_repeated(tmp_path):
    store = filled(tmp_path / "store", STUDY.configurations[:2])
    results.export(STUDY, store, tmp_path / "out")
    before = (tmp_path / "out" / "samples.csv").read_bytes()
    store.add(SAMPLES, [Outcome(one, measured(one.size, one.seed), "", THERE) for one in STUDY.configurations[2:]])
    results.export(STUDY, store, tmp_path / "out")
    whole = contents(tmp_path / "out")
    (tmp_path / "out" / "samples.csv").write_bytes(before)
    results.export(STUDY, store, tmp_path / "out")
    assert contents(tmp_path / "out") == whole


@pytest.mark.parametrize("name", ["size", "seed", "seconds", "key"])
def test_a_metric_named_as_another_column_is_refused(tmp_path, name):
    with Store(tmp_path / "store") as store:
        store.add(SAMPLES, [Outcome(STUDY.configurations[0], Record({name: 1.0}), "", HERE)])
        with pytest.raises(InputError, match=name):
            results.export(STUDY, store, tmp_path)


def test_nothing_finished_and_nothing_known_are_refused(tmp_path):
    with Store(tmp_path / "store") as store, pytest.raises(InputError, match="no finished run"):
        results.export(STUDY, store, tmp_path)
    with pytest.raises(InputError, match="unknown results 'samples'"):
        results.load("samples", tmp_path)
    results.export(STUDY, filled(tmp_path / "store", STUDY.configurations), tmp_path)
    with pytest.raises(InputError, match="did you mean 'test_loss'"):
        results.load_curves("samples", "test_los", tmp_path)


@settings(max_examples=30, deadline=None)
@given(values=st.lists(st.floats(), min_size=1, max_size=6), seed=st.integers(0, 2**32 - 1))
def test_metrics_and_curves_round_trip(tmp_path_factory, values, seed):
    folder = tmp_path_factory.mktemp("results")
    metrics = {f"m{number}": value for number, value in enumerate(values)}
    with Store(folder / "store.sqlite") as store:
        one = Sample(seed=seed)
        store.add(SAMPLES, [Outcome(one, Record(metrics, {"curve": values}), "", HERE)])
        results.export(Study("samples", SAMPLES, (one,)), store, folder)
    row = results.load("samples", folder).iloc[0]
    np.testing.assert_array_equal([row[name] for name in metrics], values)
    assert row["key"] == key(SAMPLES, one)
    with np.errstate(over="ignore"):
        single = np.float32(values)
    np.testing.assert_array_equal(results.load_curves("samples", "curve", folder).iloc[0], single)


@settings(deadline=None)
@given(text=st.one_of(st.text(), st.sampled_from(["", "true", "null", "1e5", "012e34", "NaN", '"quoted"'])))
def test_text_that_reads_like_a_value_stays_text(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("results") / "rows.csv"
    path.write_bytes(results._csv_bytes(["label"], [{"label": text}]))
    assert results._read_rows(path)[0]["label"] == text


def test_curves_of_unequal_length_and_missing_ones_keep_their_rows(tmp_path):
    runs, curves = STUDY.configurations[:3], [{"loss": [1, 2, 3]}, {}, {"loss": [4]}]
    with Store(tmp_path / "store") as store:
        store.add(SAMPLES, [Outcome(run, Record({}, curve), "", HERE) for run, curve in zip(runs, curves, strict=True)])
        results.export(STUDY, store, tmp_path)
    loaded = results.load_curves("samples", "loss", tmp_path)
    none = np.nan
    np.testing.assert_array_equal(loaded, [[1, 2, 3], [none, none, none], [4, none, none]])


def test_the_books_results_are_those_of_its_studies():
    """A committed row whose key no study gives was measured by another version of the experiment."""
    for name in sorted(path.stem for path in results.FOLDER.glob("*.csv")):
        frame, study = results.load(name), catalogue.study(name)
        assert set(frame["key"]) <= set(study.members(frame["seed"].unique())), name
        assert set(frame["origin"]) == set(results.provenance(name)["origins"]), name
        assert all(path.stat().st_size < 1_000_000 for path in results.FOLDER.glob(f"{name}.*")), name

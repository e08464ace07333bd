"""Results: exported completely and deterministically, merged with what is committed, read back exactly."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sampling import SAMPLES, Sample, finished, measured

from gradbook.errors import InputError
from gradbook.studies import results
from gradbook.studies.experiment import Record
from gradbook.studies.store import Outcome, Store
from gradbook.studies.study import Run, Study, grid, plan

STUDY = Study("samples", SAMPLES, plan((grid(Sample, size=[2, 1]), 3)))
RUNS = list(STUDY.runs.values())
HERE = {"commit": "c0ffee", "dirty": False, "libraries": {"numpy": "2"}, "machine": {"cores": 2}}
THERE = HERE | {"machine": {"cores": 64}}


def filled(path, runs, origin=HERE):
    """A store in which these have run."""
    store = Store(path)
    store.add(finished(runs, origin))
    return store


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_results_are_what_was_measured_in_the_studys_order(tmp_path):
    store = filled(tmp_path / "store", reversed(RUNS))
    assert results.export(STUDY, store, tmp_path / "out") == results.Exported(runs=6, added=6, dropped=0)
    frame = results.load("samples", tmp_path / "out")
    assert list(zip(frame["size"], frame["seed"], strict=True)) == [(2, 0), (2, 1), (2, 2), (1, 0), (1, 1), (1, 2)]
    assert list(frame["third"]) == [size / 3 + seed for size, seed in zip(frame["size"], frame["seed"], strict=True)]
    assert list(frame["key"]) == list(STUDY.runs)
    assert set(frame["seconds"]) == {0.25}
    curves = frame.curve("test_loss")
    exact = [measured(run.cell.size, run.seed).curves["test_loss"] for run in RUNS]
    np.testing.assert_array_equal(curves, np.float32(exact))


def test_equal_stores_give_equal_bytes_and_a_second_export_changes_nothing(tmp_path):
    for name, runs in ("a", RUNS), ("b", RUNS[::-1]):
        results.export(STUDY, filled(tmp_path / f"{name}.sqlite", runs), tmp_path / name)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    with Store(tmp_path / "a.sqlite") as store:
        assert results.export(STUDY, store, tmp_path / "a") == results.Exported(runs=6, added=0, dropped=0)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_parts_from_two_machines_merge_into_the_same_results_as_one_export(tmp_path):
    first, second = RUNS[:4], RUNS[2:]
    both = filled(tmp_path / "both", first)
    both.add(finished(second, THERE))
    results.export(STUDY, both, tmp_path / "once")
    results.export(STUDY, filled(tmp_path / "one", first), tmp_path / "parts")
    results.export(STUDY, filled(tmp_path / "two", second, THERE), tmp_path / "parts")
    assert contents(tmp_path / "once") == contents(tmp_path / "parts")
    origins = results.provenance("samples", tmp_path / "parts")["origins"]
    assert sorted((origin["machine"]["cores"], origin["runs"]) for origin in origins.values()) == [(2, 4), (64, 2)]
    assert {origin["data"] for origin in origins.values()} == {"none:0"}


def test_more_seeds_of_the_studys_cells_belong_to_it_and_other_cells_do_not(tmp_path):
    store = filled(tmp_path / "store", [Run(SAMPLES, Sample(size=1), 99), Run(SAMPLES, Sample(size=3), 0)])
    results.export(STUDY, store, tmp_path)
    assert list(results.load("samples", tmp_path)["seed"]) == [99]


def test_results_of_another_version_are_dropped_and_counted(tmp_path):
    results.export(STUDY, filled(tmp_path / "store", RUNS), tmp_path)
    later = replace(STUDY, experiment=replace(SAMPLES, version=2))
    store = filled(tmp_path / "store", list(later.runs.values())[:2])
    assert results.export(later, store, tmp_path) == results.Exported(runs=2, added=2, dropped=6)
    assert results.provenance("samples", tmp_path)["version"] == 2
    assert len(results.load("samples", tmp_path).curve("test_loss")) == 2


def test_an_export_that_was_interrupted_before_the_csv_can_be_repeated(tmp_path):
    store = filled(tmp_path / "store", RUNS[:2])
    results.export(STUDY, store, tmp_path / "out")
    before = (tmp_path / "out" / "samples.csv").read_bytes()
    store.add(finished(RUNS[2:], THERE))
    results.export(STUDY, store, tmp_path / "out")
    whole = contents(tmp_path / "out")
    (tmp_path / "out" / "samples.csv").write_bytes(before)
    results.export(STUDY, store, tmp_path / "out")
    assert contents(tmp_path / "out") == whole


def test_nothing_finished_and_nothing_known_are_refused(tmp_path):
    with Store(tmp_path / "store") as store, pytest.raises(InputError, match="no finished run"):
        results.export(STUDY, store, tmp_path)
    with pytest.raises(InputError, match="unknown results 'samples'"):
        results.load("samples", tmp_path)
    results.export(STUDY, filled(tmp_path / "store", RUNS), tmp_path)
    with pytest.raises(InputError, match="did you mean 'test_loss'"):
        results.load("samples", tmp_path).curve("test_los")


@settings(max_examples=30, deadline=None)
@given(values=st.lists(st.floats(), min_size=1, max_size=6), seed=st.integers(0, 2**32 - 1))
def test_metrics_and_curves_round_trip(tmp_path_factory, values, seed):
    folder = tmp_path_factory.mktemp("results")
    metrics = {f"m{number}": value for number, value in enumerate(values)}
    with Store(folder / "store.sqlite") as store:
        one = Run(SAMPLES, Sample(), seed)
        store.add([Outcome(one, Record(metrics, {"curve": values}), "", HERE)])
        results.export(Study("samples", SAMPLES, {one.cell: (seed,)}), store, folder)
    table = results.load("samples", folder)
    row = table.iloc[0]
    np.testing.assert_array_equal([row[name] for name in metrics], values)
    assert row["key"] == one.key
    with np.errstate(over="ignore"):
        single = np.float32(values)
    np.testing.assert_array_equal(table.curve("curve").iloc[0], single)


@settings(deadline=None)
@given(text=st.one_of(st.text(), st.sampled_from(["", "true", "null", "1e5", "012e34", "NaN", '"quoted"'])))
def test_text_that_reads_like_a_value_stays_text(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("results") / "rows.csv"
    path.write_bytes(results._csv_bytes(["label"], [{"label": text}]))
    assert results._read_rows(path)[0]["label"] == text


def test_curves_of_unequal_length_and_missing_ones_keep_their_rows(tmp_path):
    runs, curves = RUNS[:3], [{"loss": [1, 2, 3]}, {}, {"loss": [4]}]
    with Store(tmp_path / "store") as store:
        store.add([Outcome(run, Record({}, curve), "", HERE) for run, curve in zip(runs, curves, strict=True)])
        results.export(STUDY, store, tmp_path)
    loaded = results.load("samples", tmp_path).curve("loss")
    none = np.nan
    np.testing.assert_array_equal(loaded, [[1, 2, 3], [none, none, none], [4, none, none]])


# Selections


@pytest.fixture
def table(tmp_path):
    study = Study("samples", SAMPLES, plan((grid(Sample, size=[2, 1], does=["finish", "draw"]), 3)))
    with filled(tmp_path / "store", study.runs.values()) as store:
        results.export(study, store, tmp_path)
    return results.load("samples", tmp_path)


def test_a_cell_has_defaults_where_nothing_is_named(table):
    assert table.cell()["seed"].tolist() == [0, 1, 2]
    assert table.cell()["third"].tolist() == [1 / 3 + seed for seed in range(3)]
    assert set(table.cell(does="draw")["does"]) == {"draw"}
    with pytest.raises(InputError, match="unknown field 'third'"):
        table.cell(third=1)
    with pytest.raises(InputError, match=r"'samples' has no run with pause=7; allowed are .*pause 0\.0;"):
        table.cell(pause=7)


@pytest.mark.parametrize(
    ("fields", "left"),
    [
        ({}, 12),
        ({"size": 1}, 6),
        ({"size": [1, 2.0], "seed": 2}, 4),
        ({"seed": range(2)}, 8),
        ({"seed": np.array([1])}, 4),
        ({"seed": {0, 1}, "does": "draw"}, 4),
        ({"log": ""}, 12),
    ],
)
def test_a_selection_leaves_unnamed_columns_free(table, fields, left):
    assert len(table.select(**fields)) == left


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"siez": 1}, "unknown column 'siez'; did you mean 'size'"),
        ({"size": 3}, r"results 'samples' has no run with size=3; allowed are size 2\.0, 1\.0"),
        ({"size": 1, "seed": [7]}, r"size=1, seed=\[7\]; allowed are .*seed 0, 1, 2"),
        ({"does": "fin"}, "allowed are does finish, draw"),
    ],
)
def test_a_selection_says_what_is_wrong(table, fields, said):
    with pytest.raises(InputError, match=said):
        table.select(**fields)


def test_missing_values_and_values_that_are_lists_are_selected_as_they_were_given(tmp_path):
    table = results.Results({"value": [None, 0.5, 2.0], "classes": [[1, 2], [3, 4], [1, 2]], "text": [None, "a", "b"]})
    for nothing in None, np.nan, [None], [np.nan]:
        assert table.select(value=nothing).index.tolist() == table.select(text=nothing).index.tolist() == [0]
    assert table.select(value=[None, 2]).index.tolist() == [0, 2]
    assert table.select(classes=(1, 2)).index.tolist() == table.select(classes=[[1, 2]]).index.tolist() == [0, 2]
    assert table.select(classes=[(1, 2), (3, 4)]).index.tolist() == [0, 1, 2]


def test_curves_keep_the_rows_of_their_table_however_it_was_cut(table):
    cut = table.sort_values("third", ascending=False).select(size=2)
    curve = cut.curve("test_loss")
    assert curve.index.equals(cut.index) and set(curve.dtypes) == {np.dtype("float32")}
    np.testing.assert_array_equal(curve[0], np.float32(cut["size"] + cut["seed"]))
    assert len(table.head(0).curve("test_loss")) == 0


def test_tables_made_from_results_remember_their_study(table):
    made = {
        "groups": next(group for _, group in table.groupby("size")),
        "columns": table[["seed", "does", "key", "size", "pause", "log"]],
        "query": table.query("seed < 2"),
        "sorted": table.sort_values("seed").reset_index(drop=True),
        "assigned": table.assign(more=1).drop(columns="third").rename(columns={"seconds": "time"}),
        "copied": table.copy(),
    }
    for way, one in made.items():
        assert one.cell(size=1.0).curve("test_loss").shape == (len(one.select(size=1, does="finish")), 3), way


def test_tables_of_several_studies_can_be_selected_from_but_have_no_cells(table):
    joined = pd.concat([table, table])
    assert len(joined.select(size=1)) == 12
    assert len(table.merge(table[["key", "third"]], on="key").select(seed=0)) == 4
    with pytest.raises(InputError, match="unknown field 'size'"):
        joined.cell(size=1)
    with pytest.raises(InputError, match="unknown curve"):
        joined.curve("test_loss")

"""The store: what is written is read back exactly, and what is no store is refused."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sampling import SAMPLES, Sample

from gradbook.errors import InputError, RunError
from gradbook.studies.experiment import Record
from gradbook.studies.store import Outcome, Store
from gradbook.studies.study import Run

ORIGIN = {"commit": "c0ffee", "dirty": False}
FIRST = Run(SAMPLES, Sample(), 3)
numbers = st.floats(allow_nan=False)
records = st.builds(
    Record,
    metrics=st.dictionaries(st.text(max_size=5), numbers, max_size=3),
    curves=st.dictionaries(st.text(max_size=5), st.lists(numbers, max_size=5), max_size=3),
    seconds=st.floats(0, 1e9),
    peak_memory=st.integers(0, 2**60),
    data=st.text(max_size=5),
)


@settings(max_examples=30, deadline=None)
@given(records)
def test_records_come_back_bit_for_bit(tmp_path_factory, record):
    with Store(tmp_path_factory.mktemp("store") / "store.sqlite") as store:
        store.add([Outcome(FIRST, record, "", ORIGIN)])
        assert list(store.records(SAMPLES)) == [(FIRST.key, 3, record, ORIGIN)]


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "folder that is missing" / "store.sqlite") as store:
        yield store


def test_a_finished_run_is_never_overwritten_and_a_failed_one_is(store):
    good, better = Record({"loss": 1.0}), Record({"loss": 0.5})
    for record, error in [(None, "no"), (None, "still no"), (good, ""), (better, ""), (None, "no more")]:
        store.add([Outcome(FIRST, record, error, ORIGIN)])
        if record is None and error != "no more":
            assert store.errors(SAMPLES) == {FIRST.key: error}
    assert [record for _, _, record, _ in store.records(SAMPLES)] == [good]


def test_versions_of_an_experiment_do_not_mix(store):
    store.add([Outcome(FIRST, Record({"loss": 1.0}), "", ORIGIN)])
    later = replace(SAMPLES, version=2)
    assert store.errors(later) == {}
    assert list(store.records(later)) == []


def test_a_file_that_is_no_store_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("not a database, but a text that is long enough to be looked at " * 20)
    with pytest.raises(InputError, match=r"notes\.txt is not one of this book"):
        Store(path)
    assert path.read_text().startswith("not a database")


@pytest.mark.parametrize(("version", "remedy"), [(1, "move it away"), (99, "a later version of the book wrote it")])
def test_a_store_of_another_format_is_refused_with_what_to_do_and_left_alone(store, version, remedy):
    with sqlite3.connect(store.path) as database:
        database.execute(f"PRAGMA user_version = {version}")
    before = store.path.read_bytes()
    with pytest.raises(InputError, match=f"format {version}, and this version of the book reads format 2: .*{remedy}"):
        Store(store.path)
    assert store.path.read_bytes() == before


@pytest.mark.parametrize("version", [1, 99, None])
def test_a_file_that_was_refused_is_not_held_open(tmp_path, version):
    path = tmp_path / "store.sqlite"
    if version is None:
        path.write_text("not a database, but a text that is long enough to be looked at " * 20)
    else:
        with closing(sqlite3.connect(path)) as database:
            database.execute(f"PRAGMA user_version = {version}")
    with pytest.raises(InputError) as refused:
        Store(path)
    assert str(path) not in {file.path for file in psutil.Process().open_files()}, refused


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=str(tmp_path / "file")):
        Store(tmp_path / "file" / "store.sqlite")


def test_many_may_open_a_new_store_at_once(tmp_path):
    def write(seed):
        with Store(tmp_path / "store.sqlite") as store:
            store.add([Outcome(Run(SAMPLES, Sample(), seed), Record({}), "", ORIGIN)])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(32)))
    with Store(tmp_path / "store.sqlite") as store:
        assert len(store.errors(SAMPLES)) == 32


def test_the_default_place_is_the_environments(monkeypatch, tmp_path):
    monkeypatch.setenv("GRADBOOK_STORE", str(tmp_path / "mine.sqlite"))
    with Store() as store:
        assert store.path == tmp_path / "mine.sqlite"
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("GRADBOOK_STORE", "~/mine.sqlite")
    with Store() as store:
        assert store.path == tmp_path / "home/mine.sqlite"
    monkeypatch.setenv("GRADBOOK_CWD", str(tmp_path))
    with Store(Path("here.sqlite")) as store:
        assert store.path == tmp_path / "here.sqlite"
    monkeypatch.delenv("GRADBOOK_STORE")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    with Store() as store:
        assert store.path == tmp_path / "data" / "gradbook" / "studies.sqlite"

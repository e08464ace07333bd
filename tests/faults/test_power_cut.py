"""After a power cut at any moment, what was promised to be kept is there, and the rest can be done again."""

import shutil
import warnings
from types import SimpleNamespace

import keras
import nbformat
import numpy as np
import pandas as pd
import pytest
from data_fakes import Server, publish
from nbformat import v4
from power_cut import cuts
from sampling import SAMPLES, Sample, finished

import gradbook.data as data
from gradbook import cli
from gradbook.files import atomic_write
from gradbook.lowrank.distill import Learner
from gradbook.lowrank.training import Checkpoint
from gradbook.press import slides
from gradbook.press.chapters import Chapter
from gradbook.press.checkout import read_json, write_json
from gradbook.studies import results
from gradbook.studies.store import Store
from gradbook.studies.study import Study, grid, plan

STUDY = Study("samples", SAMPLES, plan((grid(Sample, size=[1, 2]), 3)))


OUTCOMES = finished(STUDY.runs.values(), {"commit": "c0ffee"})


def test_a_file_that_is_not_synchronised_is_lost_here(tmp_path):
    """Without this, the tests below would show nothing."""
    part = tmp_path / "part"

    def careless():
        part.write_text("new")
        part.replace(tmp_path / "file")

    found = [(tmp_path / "file").read_text() for _ in cuts(tmp_path, careless) if (tmp_path / "file").exists()]
    assert found == [""]


def test_a_file_holds_the_old_text_or_the_new(tmp_path):
    file = tmp_path / "twin.ipynb"
    file.write_text("old")

    def renew():
        with atomic_write(file) as opened:
            opened.write(b"new")

    assert [file.read_text() for _ in cuts(tmp_path, renew)] == ["old", "old", "new", "new"]


def test_a_record_is_the_old_one_or_the_new(tmp_path):
    file = tmp_path / "record.json"
    write_json(file, {"seconds": 1})
    assert {read_json(file)["seconds"] for _ in cuts(tmp_path, lambda: write_json(file, {"seconds": 2}))} == {1, 2}


@pytest.fixture
def written(tmp_path, monkeypatch):
    """What the press writes besides twins, as an action each, into ``tmp_path / "written"``."""
    chapter, folder = Chapter(tmp_path / "10_a.py"), tmp_path / "written"
    output = v4.new_output("display_data", {"image/png": "aGk=", "image/svg+xml": "<svg/>"})
    about = {"mystnb": {"figure": {"name": "fig-a"}}}
    notebook = v4.new_notebook(cells=[v4.new_code_cell("draw()", outputs=[output], metadata=about)])
    nbformat.write(notebook, chapter.twin)
    job = SimpleNamespace(chapter=chapter, is_twin=True, stale=lambda _: True, record=tmp_path / "r", output=tmp_path)
    record = {"seconds": 1.0, "peak_memory": 1e6, "machine": {"processor": "x", "cores": 1}, "finished": ""}
    write_json(job.record, record)
    monkeypatch.setattr("gradbook.press.checkout.checkout", lambda: tmp_path)
    monkeypatch.setattr("gradbook.press.chapters.find_chapters", lambda *_: [chapter])
    monkeypatch.setattr("gradbook.press.execute.plan", lambda *_: [job])
    monkeypatch.setattr("gradbook.press.execute.execute", lambda *_: [(job, record)])
    monkeypatch.setattr("gradbook.press.status.published_record", lambda *_: folder / "record.json")
    monkeypatch.setattr("gradbook.press.tolerances.dates", lambda *_: pd.DataFrame({"order": ["before"]}))
    monkeypatch.setattr("gradbook.book_claims.TOLERANCES", folder / "tolerances.csv")
    return {
        "slides": lambda: slides.write(chapter, folder),
        "svg": lambda: slides.write_svg(chapter.twin, folder),
        "record": lambda: cli.app(["execute", "--record"], standalone_mode=False),
        "tolerances": lambda: cli.app(["ledger", "--dates"], standalone_mode=False),
    }


@pytest.mark.parametrize("name", ["slides", "svg", "record", "tolerances"])
def test_what_the_press_writes_is_the_old_file_or_the_new(tmp_path, written, name):
    folder = tmp_path / "written"
    folder.mkdir()
    written[name]()
    (file,) = folder.iterdir()
    new = file.read_bytes()
    file.write_text("old")
    found = [file.read_bytes() for _ in cuts(folder, written[name])]
    assert set(found) == {b"old", new} and found[-1] == new


def test_results_are_readable_and_their_export_can_be_repeated(tmp_path):
    folder = tmp_path / "results"
    with Store(tmp_path / "store.sqlite") as store:
        store.add(OUTCOMES[:2])
        results.export(STUDY, store, folder)
        store.add(OUTCOMES[2:])
        shutil.copytree(folder, tmp_path / "once")
        results.export(STUDY, store, tmp_path / "once")
        lengths = []
        for _ in cuts(folder, lambda: results.export(STUDY, store, folder)):
            found = results.load("samples", folder)
            lengths.append(len(found))
            assert found.curve("test_loss").notna().all(axis=None)
    assert sorted(lengths) == lengths and set(lengths) == {2, 6}
    for file in (tmp_path / "once").iterdir():
        assert (folder / file.name).read_bytes() == file.read_bytes()


@pytest.mark.parametrize("name", ["cifar10", "tiny-imagenet"])
def test_a_dataset_is_whole_or_fetched_again(tmp_path, monkeypatch, name):
    monkeypatch.setenv("GRADBOOK_DATA", str(tmp_path))
    monkeypatch.setattr(data, "SOURCES", dict(data.SOURCES))
    with Server() as server, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is damaged is said to be
        publish(name, server.url, "fine")
        sound = data.load(name).checksum
        shutil.rmtree(tmp_path / name)
        for _ in cuts(tmp_path, lambda: data.load(name)):
            assert data.load(name).checksum == sound
            shutil.rmtree(tmp_path / name)
        server.shutdown()


def test_the_state_of_a_training_is_whole(tmp_path):
    images = keras.Input((4, 4, 1))
    learner = Learner(keras.Model(images, keras.layers.Dense(3)(keras.layers.Flatten()(images))))
    weight = learner.network.weights[0]

    def checkpoint(epoch):
        weight.assign(np.full(weight.shape, float(epoch)))
        Checkpoint(learner, tmp_path, {"seed": "0"}).on_epoch_end(epoch, {"loss": 1.0})

    checkpoint(0)
    epochs = []
    for _ in cuts(tmp_path, lambda: checkpoint(1)):
        weight.assign(np.full(weight.shape, 9.0))
        epochs.append(Checkpoint(learner, tmp_path, {"seed": "0"}).restore())
        assert set(np.unique(weight)) == {epochs[-1] - 1.0}
    assert sorted(epochs) == epochs and set(epochs) == {1, 2}


def test_the_store_keeps_every_transaction_that_ended_wherever_its_log_is_cut(tmp_path):
    path, ends = tmp_path / "store.sqlite", []
    with Store(path) as store:
        assert store._database.execute("PRAGMA synchronous").fetchone() == (2,)  # at the end of every transaction
        log = tmp_path / "store.sqlite-wal"
        for outcome in OUTCOMES:
            store.add([outcome])
            ends.append(log.stat().st_size)
        content, main = log.read_bytes(), path.read_bytes()
    for cut in [*range(0, len(content), 1500), *ends, *(end - 1 for end in ends)]:
        folder = tmp_path / str(cut)
        folder.mkdir()
        (folder / path.name).write_bytes(main)
        (folder / log.name).write_bytes(content[:cut] + b"\xff" * 100)
        with Store(folder / path.name) as store:
            assert len(store.errors(SAMPLES)) == sum(end <= cut for end in ends)
            assert store._database.execute("PRAGMA integrity_check").fetchone() == ("ok",)

"""An empty data folder for every test, and published files that come from the loopback."""

import pytest
from data_fakes import Server, publish
from hypothesis import settings

import gradbook.data as data

# The first example pays for imports, and other processes may be at work.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The data folder, which does not exist yet."""
    monkeypatch.setenv("GRADBOOK_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture(scope="module")
def server():
    with Server() as running:
        yield running
        running.shutdown()


@pytest.fixture
def published(folder, server, monkeypatch):
    """``published(name, *treatments)`` serves a small stand-in for a dataset; the server's log starts empty."""
    monkeypatch.setattr(data, "SOURCES", dict(data.SOURCES))
    server.asked.clear()

    def serve(name: str, *treatments: str) -> None:
        publish(name, server.url, *(treatments or ["fine"]))

    return serve

"""Machines unlike the one the book is made on: without the modules of Unix, without a home."""

import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from gradbook import data, files
from gradbook.cli import app
from gradbook.files import PACKAGE
from gradbook.studies.store import Store

UNIX = ["fcntl", "grp", "pwd", "resource", "termios"]
MODULES = sorted(
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
    for path in PACKAGE.rglob("*.py")
    if path.name not in ("__init__.py", "__main__.py")
)


def test_no_module_imports_what_windows_lacks():
    """Tried in one process that keeps what Python itself has of these modules from ours."""
    code = f"""
import importlib, keras, multiprocessing, psutil, sys, tensorflow, warnings
warnings.simplefilter("ignore")
for name in {UNIX}:
    sys.modules[name] = None
for name in {[name for name in MODULES if ".sweep" not in name]}:
    try:
        importlib.import_module(name)
    except ImportError as error:
        print(name, error)
"""
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout == ""


@pytest.fixture
def homeless(monkeypatch, tmp_path):
    """A user whose number no table knows, without HOME, as in a container that was started for any user."""

    def nobody(number):
        raise KeyError(f"getpwuid(): uid not found: {number}")

    for name in ("HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "GRADBOOK_DATA", "GRADBOOK_STORE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(RuntimeError):
        Path.home()
    return tmp_path


def test_without_a_home_everything_is_among_the_temporary_files(homeless, capsys):
    assert data.load("digits").name == "digits"
    for words in (["data", "list"], ["sweep", "concept", "--status"]):
        app(words, standalone_mode=False)
    shown = capsys.readouterr().out
    assert f"not fetched, 12 MB in {files.home()}/.cache/gradbook/mnist" in shown
    assert "0 failed" in shown
    with Store() as store:
        assert store.path.is_relative_to(homeless)

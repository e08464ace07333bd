"""How readers run a chapter without cloning the book: as on Colab, and by papermill, with another seed."""

import importlib.util
import json
import os
import shutil
import subprocess
import tomllib
import venv
from pathlib import Path

import jupytext
import nbformat
import pytest

from gradbook.press.chapters import find_chapters
from gradbook.press.checkout import checkout
from gradbook.press.repository import current

SITE_PACKAGES = Path(importlib.util.find_spec("numpy").origin).parents[1]
FIRST = find_chapters(checkout(Path(__file__)))[0].twin
"""The chapter that stands for all: the chapter rules see to it that every bootstrap cell is the same."""


@pytest.fixture(scope="module")
def repository(root, tmp_path_factory) -> str:
    """The address of a copy of this working tree, as git would track it now; pip takes no git+file:// in its place."""
    copy = tmp_path_factory.mktemp("repository")
    listed = ["git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(listed, capture_output=True, check=True, text=True).stdout.split("\0"):
        source, target = root / name, copy / name
        if name and (source.is_file() or source.is_symlink()):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)
    return copy.as_uri()


@pytest.fixture(scope="module")
def colab(tmp_path_factory) -> Path:
    """A virtual environment with everything that is installed here but gradbook: the Python in it."""
    place = tmp_path_factory.mktemp("colab")
    borrowed = place / "borrowed"
    borrowed.mkdir()
    for entry in SITE_PACKAGES.iterdir():
        if "gradbook" not in entry.name and entry.suffix != ".pth":
            (borrowed / entry.name).symlink_to(entry)
    venv.create(place / "venv", with_pip=True)
    python = place / "venv/bin/python"
    purelib = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], capture_output=True, text=True
    ).stdout.strip()
    shutil.rmtree(Path(purelib, "setuptools"), ignore_errors=True)  # Python 3.11 brings one too old to build with
    for metadata in Path(purelib).glob("setuptools-*"):
        shutil.rmtree(metadata)
    Path(purelib, "borrowed.pth").write_text(f"{borrowed}\n")
    missing = subprocess.run([python, "-c", "import gradbook"], capture_output=True, text=True)
    assert "No module named 'gradbook'" in missing.stderr
    return python


def test_a_lone_twin_installs_the_library_and_runs_with_another_seed(colab, repository, root, tmp_path):
    text = FIRST.read_text(encoding="utf-8")
    assert text.count(f"git+{current(root)}") == 1, "the bootstrap cell names the repository once"
    alone = tmp_path / FIRST.name
    alone.write_text(text.replace(f"git+{current(root)}", repository), encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment |= {
        "PIP_NO_INDEX": "1",
        "PIP_NO_BUILD_ISOLATION": "false",
        "PATH": f"{colab.parent}:{os.environ['PATH']}",
    }
    command = [colab, "-m", "papermill", "--no-progress-bar", alone.name, "executed.ipynb", "-k", "python3"]
    ended = subprocess.run([*command, "-p", "seed", "3"], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr[-2000:]
    places = [colab, "-c", "import gradbook; print(gradbook.__file__)"]
    used = subprocess.run(places, cwd=tmp_path, capture_output=True, text=True).stdout
    assert str(colab.parents[1]) in used
    executed = nbformat.read(tmp_path / "executed.ipynb", 4)
    injected = [cell for cell in executed.cells if "injected-parameters" in cell.metadata.get("tags", [])]
    assert [cell.source.split()[-3:] for cell in injected] == [["seed", "=", "3"]]
    outputs = [json.dumps(cell.get("outputs", [])) for cell in executed.cells]
    committed = [json.dumps(cell.get("outputs", [])) for cell in nbformat.read(FIRST, 4).cells]
    assert outputs != committed


@pytest.fixture
def bootstrap(root, monkeypatch):
    """Run the bootstrap cell without the library, with a pip that has what ends in a text; tell what it was asked."""
    cells = jupytext.read(root / "book/chapter_template.py").cells
    cell = next(cell.source for cell in cells if cell.cell_type == "code")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)

    def run(there: str) -> list[str]:
        asked = []

        def pip(command, **_):
            asked.append(command[-1])
            return subprocess.CompletedProcess(
                command, not asked[-1].endswith(there), stderr="No matching distribution"
            )

        monkeypatch.setattr(subprocess, "run", pip)
        exec(cell, {})
        return asked

    return run


def test_the_library_is_the_release_that_made_the_page_else_its_tag_else_the_repository_as_it_is(bootstrap, root):
    version = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    repository = f" @ git+{current(root)}"
    places = [f"gradbook[chapters]{place}" for place in (f"=={version}", f"{repository}@v{version}", repository)]
    assert [bootstrap(place) for place in places] == [places[:1], places[:2], places]
    with pytest.raises(ImportError, match="No matching distribution"):
        bootstrap("elsewhere")

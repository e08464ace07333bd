"""The package as readers install it: a wheel made from the source distribution, outside the checkout."""

import ast
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import nbformat
import pytest

import gradbook
from gradbook.files import PACKAGE

TABLES = {"book/claims.yml", "book/references.bib", "book/ledger.csv", "book/results/concept.npz"}
PARTS = ["lib", "book", "setup.py", "MANIFEST.in", "pyproject.toml", "README.md", "LICENSE", "LICENSE-TEXT"]


def built(hook: str, source: Path, folder: Path) -> Path:
    """What the build backend makes of a source tree."""
    code = f"import setuptools.build_meta as backend; backend.{hook}({str(folder)!r})"
    done = subprocess.run([sys.executable, "-c", code], cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (made,) = folder.iterdir()
    return made


@pytest.fixture(scope="module")
def sdist(tmp_path_factory, root):
    """The source distribution, made from a copy so that nothing is built in the checkout."""
    copy = tmp_path_factory.mktemp("copy")
    leave = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for part in PARTS:
        of = root / part
        shutil.copytree(of, copy / part, ignore=leave) if of.is_dir() else shutil.copyfile(of, copy / part)
    return built("build_sdist", copy, tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory, sdist):
    """The wheel, made from the source distribution alone."""
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    (source,) = folder.iterdir()
    return built("build_wheel", source, tmp_path_factory.mktemp("wheel"))


@pytest.mark.parametrize(
    "stub", sorted(Path(gradbook.__file__).parent.rglob("__init__.pyi")), ids=lambda stub: stub.parent.name
)
def test_no_export_is_named_as_a_module_beside_it(stub):
    """Older versions of lazy-loader give the one or the other, by what was asked for first."""
    imports = [node for node in ast.parse(stub.read_text()).body if node.module]
    exports = {name.name for node in imports for name in node.names}
    modules = {path.stem for path in stub.parent.iterdir()}
    assert not exports & modules


def test_both_hold_the_tables_stubs_and_types_and_no_links(sdist, wheel):
    with tarfile.open(sdist) as archive:
        members = archive.getmembers()
    assert not [member.name for member in members if member.islnk() or member.issym()]
    assert {member.name.partition("/")[2] for member in members} > TABLES
    inside = {f"gradbook/{name}" for name in {*TABLES, "py.typed", "__init__.pyi", "auxiliary/__init__.pyi"}}
    assert set(zipfile.ZipFile(wheel).namelist()) > inside


@pytest.fixture(scope="module")
def reader(tmp_path_factory, wheel):
    """Run the Python of an environment with the wheel and, by a path, the packages it needs, and nothing else."""
    folder = tmp_path_factory.mktemp("reader")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    (site,) = (folder / "venv").glob("[Ll]ib/**/site-packages")
    (site / "needed.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    python = folder / "venv" / Path(sys.executable).parent.name / "python"
    usual = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def run(*words: str, environment: dict[str, str] = usual) -> str:
        done = subprocess.run([python, *words], cwd=folder, env=environment, capture_output=True, encoding="utf-8")
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_an_installed_package_reads_its_tables(reader):
    code = """
import gradbook
from gradbook.files import BOOK, PACKAGE
from gradbook.studies import results
assert "site-packages" in str(PACKAGE) and BOOK == PACKAGE / "book", BOOK
print(len(results.load("concept").curve("test_loss")) > 0, len(gradbook.published.load("10_concept")) > 0)
"""
    assert reader("-c", code) == "True True\n"


def test_the_command_of_an_installed_package_needs_no_checkout(reader):
    command = "from gradbook.cli import main; main()"
    said = reader("-c", command, "sweep", "concept", "--status", "--store", "store.sqlite")
    assert re.match(r"concept: [1-9]\d* done", said)


def test_a_chapter_runs_where_there_is_the_package_and_nothing_else(reader, root, tmp_path):
    """The quickest one, without a checkout, a home, or a path to other programs, and with another backend."""
    bare = {"PATH": str(tmp_path), "LC_ALL": "C.UTF-8", "MPLBACKEND": "agg", "KERAS_BACKEND": "jax"}
    chapter, executed = root / "notebooks/90_ledger.ipynb", tmp_path / "executed.ipynb"
    asked = [chapter, executed, "-k", "python3", "-p", "simulations", "1", "--no-progress-bar"]
    reader("-m", "papermill", *asked, environment=bare)
    cells = [cell for cell in nbformat.read(executed, 4).cells if cell.cell_type == "code"]
    assert "You changed `simulations = 1`" in str(cells)
    assert [cell.source for cell in cells if cell.execution_count is None] == []


def test_the_stub_names_every_part_of_the_package():
    parts = {path.stem for path in PACKAGE.glob("*.py")} | {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert set(gradbook.__all__) == parts - {"__init__", "__main__"}
    assert gradbook.errors.InputError.__module__ == "gradbook.errors"
    assert not hasattr(gradbook, "nothing")

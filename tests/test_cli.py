"""The command line, as processes."""

import os
import subprocess
import sys

import pytest


def modules_after(code: str) -> set[str]:
    shown = [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"]
    return set(subprocess.run(shown, capture_output=True, text=True, check=True).stdout.split("\n")[-2].split())


@pytest.mark.parametrize("code", ["import gradbook", "import gradbook.cli", "import gradbook.data"])
def test_importing_is_cheap(code):
    loaded = modules_after(code)
    assert not loaded & {"tensorflow", "keras", "sklearn", "pandas", "matplotlib", "papermill", "dask"}


def test_help_does_not_import_what_commands_need():
    code = "from gradbook.cli import app\napp(['--help'], standalone_mode=False)"
    assert not modules_after(code) & {"tensorflow", "numpy", "papermill", "pydantic", "yaml"}


@pytest.mark.parametrize("words", [[], ["--help"], ["execute", "-h"], ["data", "--help"], ["repository", "--help"]])
def test_help_shows_examples(gradbook, tmp_path, words):
    shown = gradbook(tmp_path, *words)
    assert shown.returncode == 0
    assert "Example" in shown.stdout
    assert "gradbook " in shown.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["exeucte"], "'exeucte'"),
        (["data"], "gradbook data --help"),
        (["execute", "--jobs", "0"], "'--jobs'"),
        (["build", "--frce"], "--frce"),
        (["data", "fetch"], "NAME"),
        (["data", "fetch", "mnits"], "did you mean 'mnist'?"),
        (["serve", "--port", "99999"], "'--port'"),
    ],
)
def test_bad_input_is_one_line_and_code_2(gradbook, root, words, said):
    ended = gradbook(root, *words)
    assert ended.returncode == 2
    assert said in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_debug_shows_the_traceback(gradbook, root):
    ended = gradbook(root, "execute", "none", "--debug")
    assert ended.returncode == 1
    assert "Traceback" in ended.stderr
    assert "InputError" in ended.stderr


def test_data_that_cannot_be_had_is_one_line_with_the_ways_out(gradbook, tmp_path, root):
    offline = os.environ | {"GRADBOOK_DATA": str(tmp_path), "https_proxy": "http://127.0.0.1:9"}
    ended = gradbook(root, "data", "fetch", "mnist", env=offline)
    assert ended.returncode == 2
    assert f"{tmp_path}/mnist" in ended.stderr
    assert "GRADBOOK_DATA" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_data_list_and_verify_tell_what_is_missing(gradbook, tmp_path, root):
    empty = os.environ | {"GRADBOOK_DATA": str(tmp_path)}
    listed = gradbook(root, "data", "list", env=empty)
    assert "digits" in listed.stdout
    assert "not fetched" in listed.stdout
    assert "mnist: missing" in gradbook(root, "data", "verify", env=empty).stdout

"""The part is written against Keras alone: its other backends give what TensorFlow gives."""

import importlib.util
import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("portable.py")


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """What TensorFlow gives."""
    return runpy.run_path(PROGRAM)["measure"](tmp_path_factory.mktemp("tensorflow"))


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_another_backend_gives_the_same(backend, request, tmp_path):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"needs {backend}, which is not installed")
    environment = os.environ | {"KERAS_BACKEND": backend}
    ended = subprocess.run([sys.executable, PROGRAM, tmp_path], env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    assert found.pop("backend") == backend
    expected = request.getfixturevalue("expected")
    assert found.keys() == expected.keys()
    for name, numbers in expected.items():
        assert found[name] == pytest.approx(numbers, rel=1e-3, abs=1e-4), name

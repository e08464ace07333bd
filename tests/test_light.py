"""The library without a backend, figures or data: what a bare ``pip install gradbook`` can do."""

import subprocess
import sys

import pytest

HIDE = """
import sys

HIDDEN = {"tensorflow", "jax", "torch", "matplotlib", "sklearn", "PIL", "pooch", "IPython", "jinja2", "dask", "bokeh",
          "tensorly", "papermill", "jupytext", "playwright", "rocrate"}


class Hiding:
    def find_spec(self, name, *_):
        if name.partition(".")[0] in HIDDEN:
            raise ModuleNotFoundError(f"No module named {name!r}")


sys.meta_path.insert(0, Hiding())
"""


@pytest.mark.parametrize(
    "code",
    [
        "import gradbook",
        "from gradbook.auxiliary import RULES; assert 'projection' in RULES",
        "from gradbook.claims import audit, claim, ledger, page, statistics",
        "from gradbook.experiments import STUDIES; assert 'concept' in STUDIES",
        "from gradbook.studies import results; assert len(results.load('concept'))",
        "from gradbook import cli, exercises, optimizers, parameters, seeds",
        "from gradbook.lowrank.convs import table",
    ],
)
def test_it_needs_nothing_that_is_not_there(code):
    ended = subprocess.run([sys.executable, "-c", HIDE + code], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr[-2000:]

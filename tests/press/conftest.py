"""A book of two small chapters, in a git repository of its own."""

import shutil
from pathlib import Path

import pytest
from press_helpers import commit_all

HEADER = """\
# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: tags,mystnb,-all
#     formats: ipynb,py:percent
#     notebook_metadata_filter: kernelspec,jupytext,-jupytext.text_representation.jupytext_version
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---
"""

SUM = (
    HEADER
    + """
# %% [markdown]
# # A sum

# %% tags=["parameters"]
terms = 3  # how many
scale = 1.0
label = "sum"
loud = False

# %%
from gradbook.parameters import check

changed = check(
    globals(),
    {
        "terms": (3, "an integer from 0"),
        "scale": (1.0, "a number above 0"),
        "label": ("sum", "text"),
        "loud": (False, "true or false"),
    },
)

# %%
from gradbook.seeds import generator

print(label, scale * sum(range(terms)))
print(generator(0, "noise").random())

# %%
object
"""
)

FAILING = (
    HEADER
    + """
# %% tags=["parameters"]
divisor = 1

# %%
print(1 / divisor)
"""
)


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """The checkout: a table of contents, profiles, two chapters without twins, one commit."""
    return small_book(tmp_path)


@pytest.fixture
def executed(tmp_path: Path, executed_once: Path) -> Path:
    """The same with both chapters executed."""
    return shutil.copytree(executed_once, tmp_path, dirs_exist_ok=True)


@pytest.fixture(scope="session")
def executed_once(tmp_path_factory, gradbook) -> Path:
    """What tests copy, so that its chapters are executed once for all of them."""
    folder = small_book(tmp_path_factory.mktemp("executed"))
    ended = gradbook(folder, "execute", "--jobs", "2")
    assert ended.returncode == 0, ended.stderr
    assert "current" not in ended.stdout
    return folder


def small_book(folder: Path) -> Path:
    """Write the checkout into a folder."""
    (folder / "notebooks").mkdir()
    (folder / "_toc.yml").write_text("format: jb-book\nroot: notebooks/10_sum\n")
    (folder / ".gitignore").write_text("_build/\n")
    (folder / "notebooks/profiles.yml").write_text("full:\n  10_sum:\n    terms: 100\n")
    (folder / "notebooks/10_sum.py").write_text(SUM)
    (folder / "notebooks/11_quotient.py").write_text(FAILING)
    commit_all(folder, "a small book")
    return folder

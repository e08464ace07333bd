"""A book of two small chapters, in a git repository of its own."""

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
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: notebooks/10_sum\n")
    (tmp_path / ".gitignore").write_text("_build/\n")
    (tmp_path / "notebooks/profiles.yml").write_text("full:\n  10_sum:\n    terms: 100\n")
    (tmp_path / "notebooks/10_sum.py").write_text(SUM)
    (tmp_path / "notebooks/11_quotient.py").write_text(FAILING)
    commit_all(tmp_path, "a small book")
    return tmp_path

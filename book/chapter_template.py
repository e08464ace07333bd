# ---
# jupyter:
#   gradbook:
#     reads: []
#   jupytext:
#     cell_metadata_filter: tags,mystnb,-all
#     formats: ipynb,py:percent
#     notebook_metadata_filter: gradbook,kernelspec,jupytext,-jupytext.text_representation.jupytext_version
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # The question this chapter answers
#
# :::{card}
# **Paper.** {cite:t}`du2018adapting`.
#
# **Claim.** One sentence, as the paper would put it.
#
# **Verdict.** What came out here.
#
# **Time to read.** 10 minutes. **Know before.** What an inner product is.
#
# **Cost of this page.** {cost}`NN_name`
# :::
#
# **You will see**
#
# - the first of three to five promises,
# - each of which the last section takes up.

# %% tags=["remove-cell"]
# On Colab: install the library in the version that made this page. Elsewhere: nothing to do.
import importlib.util
import subprocess
import sys

if importlib.util.find_spec("gradbook") is None:
    version, repository = "0.1.0", "git+https://github.com/gradients-rewritten/gradients-rewritten"
    for source in (f"=={version}", f" @ {repository}@v{version}", f" @ {repository}"):
        install = [sys.executable, "-m", "pip", "install", "--quiet", f"gradbook[chapters]{source}"]
        installed = subprocess.run(install, capture_output=True, text=True)
        if installed.returncode == 0:
            break
    else:
        raise ImportError(installed.stderr)

# %% tags=["parameters"]
seed = 0
points = 200

# %%
from gradbook.parameters import check

changed = check(
    globals(),
    {
        "seed": (0, "an integer from 0 up to 1000000"),
        "points": (200, "an integer from 2"),
    },
)

# %% tags=["hide-input"]
import matplotlib.pyplot as plt
import numpy as np

from gradbook import plots
from gradbook.auxiliary import cosine
from gradbook.exercises import exercise
from gradbook.notebook import glue
from gradbook.seeds import generator

plots.use_style()

# %% [markdown]
# ## The idea in ten lines
#
# Say in a sentence or two what the method does, then its equation:
#
# $$
# \cos(u, v) = \frac{u \cdot v}{\lVert u \rVert \, \lVert v \rVert}
# $$ (NN_name-cosine)
#
# :::{question} NN_name-smallest
# What is the cosine of $(1, 0)$ and $(1, 1)$?
#
# - [ ] $0.5$.
#
#   Half of the second vector lies along the first, but the cosine compares norms, not entries.
# - [x] $1 / \sqrt 2$, about $0.71$.
#
#   Yes: {glue:text}`smallest:.3f`. The inner product is 1, the norms are 1 and $\sqrt 2$.
# - [ ] $1$.
#
#   That is their inner product. It must be divided by both norms.
# :::


# %%
def cos(u, v):
    """The equation, word for word."""
    return u @ v / np.sqrt((u @ u) * (v @ v))


u, v = np.array([1.0, 0.0]), np.array([1.0, 1.0])
glue("smallest", cos(u, v))

# %% [markdown]
# The library's one call for {eq}`NN_name-cosine` is {py:func}`~gradbook.auxiliary.cosine`. Both agree:

# %%
assert np.isclose(cosine(u, v), cos(u, v))

# %% [markdown]
# ## A check that can fail
#
# An identity, a limit, or a case with a known answer, computed on the page: a vector has cosine 1 with itself.

# %%
vector = generator(seed, "check").normal(size=points)
assert abs(cosine(vector, vector) - 1) < 1e-12

# %% [markdown]
# ## The experiment
#
# :::{question} NN_name-dimensions
# Two random directions are drawn in the plane, and two in a space of a thousand dimensions. Which pair has the larger
# cosine?
#
# - [x] Mostly the pair in the plane.
#
#   Yes: {numref}`NN_name-dimensions` shows by how much.
# - [ ] Mostly the pair in the larger space.
#
#   There are more directions to be different in, so two of them have less in common ({numref}`NN_name-dimensions`).
# :::


# %% tags=["hide-input"]
#| label: NN_name-dimensions
#| fig-cap: >-
#|   Cosines of random pairs of vectors, by dimension. One dot per pair.
#| fig-alt: >-
#|   Dots spread over the whole range from -1 to 1 in two dimensions, and close in on zero as the dimension grows to a
#|   thousand.
def cosines(size, of):
    pairs = generator(seed, of, str(size)).normal(size=(points, 2, size))
    return np.array([cos(u, v) for u, v in pairs])


figure, axes = plt.subplots()
for size in (2, 10, 100, 1000):
    axes.plot(np.full(points, size), cosines(size, "pairs"), ".", color=plots.COLOURS[1], alpha=0.3)
_ = axes.set(xscale="log", xlabel="dimension", ylabel="cosine")

# %%
changed.note()

# %% [markdown]
# What the figure shows, at the parameters of this page. A section that needs one of them as it is asks
# `changed.allows("points", why="…")` before it draws.
#
# ## At full scale
#
# The results of a study, read with `results.load`, beside the published numbers.
#
# ## What failed, and where we deviate
#
# Plainly, with the reason.
#
# ## Exercises
#
# 1. How does the spread depend on the dimension?
#
# :::{dropdown} Solution
# It falls like one over the square root of the dimension, so a tenfold dimension divides it by about 3.16:
# :::

# %% tags=["hide-cell"]
round(cosines(100, "solution").std() / cosines(1000, "solution").std(), 2)

# %% [markdown]
# 2. What is the cosine of $(3, 4)$ and $(4, 3)$? Give it in place of `None`.

# %%
check_cosine = exercise(
    lambda: cos(np.array([3.0, 4.0]), np.array([4.0, 3.0])),
    too_low="Both products of entries count.",
    too_high="Divide by both norms; each is 5.",
)
check_cosine(None)

# %% [markdown]
# ## Take-aways
#
# - What was promised at the top, now known.

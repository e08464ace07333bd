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
# **Cost of this page.** {cost}`NN_name`
# :::
#
# **You will see**
#
# - the first of three to five promises,
# - each of which the last section takes up.

# %% tags=["remove-cell"]
# On Colab: install the library this chapter imports. Elsewhere: nothing to do.
import importlib.util
import subprocess
import sys

if importlib.util.find_spec("gradbook") is None:
    library = "gradbook[chapters] @ git+https://github.com/gradients-rewritten/gradients-rewritten"
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", library], check=True)

# %% tags=["parameters"]
seed = 0
points = 200

# %% [markdown]
# ## The idea, on the smallest case
#
# Say what happens where everything can be seen, and ask the reader to guess before the cell that answers:
# what is the cosine between $(1, 0)$ and $(1, 1)$?

# %%
import tensorflow as tf

from gradbook.auxiliary import cosine
from gradbook.notebook import glue, source

glue("smallest", cosine(tf.constant([1.0, 0.0]), tf.constant([1.0, 1.0])))

# %% [markdown]
# It is {glue:text}`smallest:.3f`.
#
# ## The equation and its code
#
# $$
# \cos(u, v) = \frac{u \cdot v}{\lVert u \rVert \, \lVert v \rVert}
# $$ (NN_name-cosine)
#
# The library computes {eq}`NN_name-cosine` for gradients of many tensors at once:

# %%
source(cosine)

# %% [markdown]
# ## A check that can fail
#
# An identity, a limit, or a case with a known answer, computed on the page: a vector has cosine 1 with itself.

# %%
from gradbook.seeds import generator

vector = tf.constant(generator(seed, "check").normal(size=points))
assert abs(cosine(vector, vector) - 1) < 1e-12

# %% [markdown]
# ## The experiment
#
# In high dimensions two random directions have little in common: {numref}`NN_name-dimensions` shows by how much.

# %%
#| label: NN_name-dimensions
#| fig-cap: >-
#|   Cosines of random pairs of vectors, by dimension. One dot per pair.
#| fig-alt: >-
#|   Dots spread over the whole range from -1 to 1 in two dimensions, and close in on zero as the dimension grows to a
#|   thousand.
import matplotlib.pyplot as plt
import numpy as np

from gradbook import plots

plots.use_style()
figure, axes = plt.subplots()
for size in (2, 10, 100, 1000):
    u, v = generator(seed, "pairs", str(size)).normal(size=(2, points, size))
    values = (u * v).sum(axis=1) / (np.linalg.norm(u, axis=1) * np.linalg.norm(v, axis=1))
    axes.plot(np.full(points, size), values, ".", color=plots.COLOURS[1], alpha=0.3)
_ = axes.set(xscale="log", xlabel="dimension", ylabel="cosine")

# %% [markdown]
# ## What failed, and where we deviate
#
# Plainly, with the reason.
#
# ## Exercises
#
# 1. A question that the reader can answer by changing a parameter: how does the spread depend on the dimension?
#
# :::{dropdown} Solution
# It falls like one over the square root of the dimension, so a tenfold dimension divides it by about 3.16:
# :::

# %% tags=["hide-cell"]
spreads = {}
for size in (100, 1000):
    u, v = generator(seed, "solution", str(size)).normal(size=(2, points, size))
    spreads[size] = ((u * v).sum(axis=1) / (np.linalg.norm(u, axis=1) * np.linalg.norm(v, axis=1))).std()
round(spreads[100] / spreads[1000], 2)

# %% [markdown]
# ## Take-aways
#
# - What was promised at the top, now known.

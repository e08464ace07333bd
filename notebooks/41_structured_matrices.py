# ---
# jupyter:
#   gradbook:
#     reads: [published/41_structured_matrices, results/structured]
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
# # Structured matrices: what the log would choose today
#
# :::{card}
# **Papers.** {cite:t}`dao2019butterfly`, {cite:t}`dao2022monarch`, {cite:t}`qiu2024compute`, {cite:t}`hu2022lora`,
# {cite:t}`liu2024dora` and {cite:t}`khodak2021initialization`.
#
# **Claim.** A matrix with few weights can still be as good as a dense one, if its weights are where the multiplications
# are, and if it starts, learns and decays as the matrix that it stands for.
#
# **Verdict.** What the papers say of Monarch matrices, butterflies and block tensor trains, apart from training, holds.
# Of six published counts of adapters three do. What the papers say of training is tested on MNIST, in
# {glue:text}`finished` runs. At about equal multiplications block tensor trains err {glue:text}`error_train:.1f` %,
# Monarch {glue:text}`error_monarch:.1f` %, a narrow dense network {glue:text}`error_narrow:.1f` % and low rank
# {glue:text}`error_low_rank:.1f` %. The dense network, with {glue:text}`times_least:.1f` to {glue:text}`times_most:.1f`
# times as many multiplications, errs {glue:text}`error_dense:.1f` %, butterflies {glue:text}`error_butterfly:.1f` %, and
# there the paper has butterflies ahead. Each is a mean over {glue:text}`main_seeds` seeds. {doc}`The ledger <90_ledger>` has
# {verdict}`41_structured_matrices`.
#
# **Time to read.** 20 minutes. **Know before.** {doc}`40_low_rank_convolutions`, and what singular values
# are.
#
# **Cost of this page.** {cost}`41_structured_matrices`
# :::
#
# **You will see**
#
# - a matrix with {glue:text}`monarch_weights` weights that stands for {glue:text}`dense_weights`, and the nearest one to any
#   matrix,
# - the Fourier transform, exactly, after its rows, which belong to the inputs, are sorted,
# - adapters, which train a small change of a matrix that stays as it is,
# - why {term}`weight decay` on factors is not the decay of their product,
# - all of them at about equal parameters and at about equal multiplications.

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
dataset = "digits"  # "mnist" for the study's data
seed = 0  # the first of the seeds
n_seeds = 3
width = 64
budget = 4_000  # parameters of a classifier
epochs = 15
learning_rate = 0.005

# %%
from gradbook.parameters import check

changed = check(
    globals(),
    {
        "dataset": ("digits", "a dataset of images"),
        "seed": (0, "an integer from 0 up to 1000000"),
        "n_seeds": (3, "an integer from 1"),
        "width": (64, "one of 16, 64, 256"),
        "budget": (4_000, "an integer from 1"),
        "epochs": (15, "an integer from 1"),
        "learning_rate": (0.005, "a number above 0 up to 0.03"),
    },
)

# %% tags=["hide-input"]
from functools import partial

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.ticker import EngFormatter, LogLocator, NullLocator
from scipy.stats import f_oneway

from gradbook import plots, published
from gradbook.data import load
from gradbook.exercises import exercise
from gradbook.experiments import structured
from gradbook.lowrank import FAMILIES, Sizes, compress, decompose, substitute
from gradbook.lowrank.convs.butterfly import bit_reversal, fourier, multiply
from gradbook.notebook import glue
from gradbook.seeds import generator
from gradbook.studies import results

plots.use_style()
facts = published.load("41_structured_matrices")

# %% [markdown]
# ## The idea in ten lines
#
# A matrix $W$ has $n = m^2$ rows and columns. Cut it into $m \times m$ blocks: rows $(k, i)$ with $k$ the block, columns
# $(l, j)$ with $j$ the block, so that the columns of a block stand $m$ apart. Let every block have rank 1:
#
# $$
# W_{(k, i), (l, j)} = A_{k, i, j} \, B_{j, k, l} .
# $$ (structured-monarch)
#
# This is a *Monarch* matrix {cite:p}`dao2022monarch`. To multiply by it, multiply each of $m$ groups of inputs by a small
# matrix, sort what comes out into $m$ other groups, and multiply each of these again.
#
# :::{question} structured-weights
# $n = 64$. How many weights does a Monarch matrix have?
#
# - [ ] $64 \cdot 64$, as a dense one.
#
#   $W$ has so many entries. But they are products of two numbers each, and the numbers are shared.
# - [x] $2 \cdot 64 \cdot 8$.
#
#   Yes, {glue:text}`monarch_weights`: $A$ and $B$ have $m^3 = n^{1.5}$ each.
# - [ ] $2 \cdot 64$.
#
#   That is one block of rank 1 as large as the matrix. Here there are 64 blocks.
# :::

# %%
m = 8
A, B = generator(0, "A").normal(size=(m, m, m)), generator(0, "B").normal(size=(m, m, m))


def monarch(x):
    """Multiply x [m·m] by the equation's matrix: group by group, then across groups."""
    inner = np.einsum("ki,kij->jk", x.reshape(m, m), A)
    return np.einsum("jk,jkl->lj", inner, B).ravel()


x = generator(0, "x").normal(size=m * m)
y = monarch(x)
glue("monarch_weights", A.size + B.size)
glue("dense_weights", f"{m**4:,}")

# %% [markdown]
# The library has it as a family like those of the chapter before, {py:class}`~gradbook.lowrank.convs.Monarch`. So
# budgets, counts, teachers and {py:func}`~gradbook.lowrank.compression.compress` take it by its name:

# %%
layer = substitute("monarch", m)(m * m, 1, use_bias=False)
layer.build((None, 1, 1, m * m))
layer.factor["first"].assign(A)
layer.factor["second"].assign(B)
assert np.allclose(layer(x.reshape(1, 1, 1, -1))[0, 0, 0], y, atol=1e-4)
assert layer.n_parameters(m * m) == layer.mult_adds((1, 1, m * m)) == A.size + B.size

# %% [markdown]
# Weights and multiplications are equally many. Of a matrix alone, the hashed layers and tensor trains of the chapter
# before save the first and not the second.
#
# The relatives differ in the blocks. With one block it is a low-rank matrix. With blocks of any rank it is the *block tensor
# train* {cite:p}`qiu2024compute`. If the small matrices are Monarch matrices again, down to $2 \times 2$, it is a *butterfly*
# {cite:p}`dao2019butterfly`, with $2 n \log_2 n$ weights.
#
# ### The nearest one
#
# To come near a given matrix with a product of factors is mostly a search. Here it is none: blocks do not share weights,
# and the nearest block of rank 1 is that of its largest singular value.
#
# :::{question} structured-nearest
# A random matrix of 64 columns, and $1024$ weights. Which comes nearer to it: a matrix of rank 8, or a Monarch matrix?
#
# - [ ] Rank 8: eight singular values are more than one.
#
#   One of each block, and there are 64 blocks. {numref}`fig-structured-given` shows who comes nearer.
# - [ ] Monarch, by far.
#
#   It is nearer, but not by much. A random matrix has no structure that either could use.
# - [x] They hardly differ.
#
#   Yes: {glue:text}`random_low_rank:.2f` for rank 8 and {glue:text}`random_monarch:.2f` for Monarch, where 1 is a matrix of
#   zeros.
# :::
#
# The check: what is left over are the singular values that were left out, and nothing comes nearer.


# %%
def written_out(first, second):
    """The matrix of blocks of rank 1, from its factors."""
    return np.einsum("kij,jkl->kilj", first, second).reshape(m * m, m * m)


random_matrix = generator(seed, "matrix").normal(size=(m * m, m * m))
nearest = decompose.blockwise(random_matrix, m, m, 1)
error = np.square(written_out(*nearest) - random_matrix).sum()
blocks = random_matrix.reshape(m, m, m, m).transpose(0, 3, 1, 2)
assert np.isclose(error, np.square(np.linalg.svd(blocks, compute_uv=False)[..., 1:]).sum())
for step in (0.01, 0.1, 1):
    moved = [factor + step * generator(seed, "step").normal(size=factor.shape) for factor in nearest]
    assert np.square(written_out(*moved) - random_matrix).sum() > error

# %% [markdown]
# ## The Fourier transform, after sorting
#
# The fast Fourier transform is a product of sparse factors, each of which joins numbers in pairs: a butterfly. But it takes
# its inputs in *bit-reversed* order (the binary digits of each index are read backwards), and no butterfly can sort. Monarch needs another order, that of a transposed square.
#
# :::{question} structured-sorted
# How near does a Monarch matrix come to the Fourier transform whose rows are not sorted?
#
# - [ ] It is exact: sorting rows changes no numbers.
#
#   It changes which numbers share a block, and so the rank of the blocks.
# - [x] Not at all near.
#
#   Yes: the relative error is {glue:text}`fourier_unsorted:.2f`. In another order it is {glue:text}`fourier_sorted:.0e`.
# - [ ] About as near as to a random matrix.
#
#   It is farther, {glue:text}`fourier_unsorted:.2f` against {glue:text}`random_monarch:.2f`: in the wrong order every block
#   has equal singular values.
# :::

# %%
n = m * m
transform = np.fft.fft(np.eye(n))
inputs = np.eye(n)[:, bit_reversal(n)] + 0j
assert np.allclose(multiply(inputs, fourier(n)), transform, atol=1e-12)

# %% tags=["hide-input"]
digits = load("digits")
keras.utils.set_random_seed(seed)
classifier = keras.Sequential([keras.Input((n,)), *(keras.layers.Dense(n, "relu", name=f"hidden_{i}") for i in (1, 2))])
classifier.add(keras.layers.Dense(10, name="logits"))
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
classifier.compile(keras.optimizers.Adam(0.003), loss, jit_compile=False)
pixels = digits.x_train.reshape(-1, n)
_ = classifier.fit(pixels, digits.y_train, epochs=10, verbose=0)

# %%
swapped = np.arange(n).reshape(m, m).T.ravel()
given = {
    "Fourier": transform,
    "Fourier, rows for Monarch": transform[swapped],
    "Fourier, rows for a butterfly": transform[bit_reversal(n)],
    "trained on digits": keras.ops.convert_to_numpy(classifier.get_layer("hidden_2").kernel),
    "random": random_matrix,
}


def reached(matrix):
    """The nearest matrix that is known of each kind."""
    train = decompose.tensor_train(matrix.reshape(16, 16, 16), [7, 7])
    return {
        "rank 8": np.matmul(*decompose.product(matrix, 8)),
        "tensor train": np.einsum("aib,bjc,ckd->ijk", *train).reshape(n, n),
        "Monarch": written_out(*decompose.blockwise(matrix, m, m, 1)),
        "butterfly": np.asarray(multiply(np.eye(n, dtype=matrix.dtype), decompose.butterfly(matrix))),
    }


# %% tags=["hide-input"]
def relative(matrix):
    """How far each kind stays away."""
    return {kind: np.linalg.norm(one - matrix) / np.linalg.norm(matrix) for kind, one in reached(matrix).items()}


errors = pd.DataFrame({name: relative(matrix) for name, matrix in given.items()}).T
glue("random_low_rank", errors.loc["random", "rank 8"])
glue("random_monarch", errors.loc["random", "Monarch"])
glue("trained_low_rank", errors.loc["trained on digits", "rank 8"])
glue("trained_monarch", errors.loc["trained on digits", "Monarch"])
glue("fourier_unsorted", errors.loc["Fourier", "Monarch"])
glue("fourier_sorted", errors.loc["Fourier, rows for Monarch", "Monarch"])
assert errors.loc["Fourier, rows for a butterfly", ["Monarch", "butterfly"]].max() < 1e-9  # exact for both
for_monarch = errors.loc["Fourier, rows for Monarch"]
assert for_monarch["Monarch"] < 1e-9 < 0.5 < for_monarch["butterfly"]

# %% tags=["hide-input"]
#| label: fig-structured-given
#| fig-cap: >-
#|   Relative error (Frobenius norm) of the nearest matrix of each kind, for given matrices of 64 × 64. A tensor
#|   train has 1,008 weights here, rank 8 and Monarch 1,024, a butterfly 768. The tensor train's and the butterfly's
#|   are the best that successive splitting finds.
#| fig-alt: >-
#|   Five groups of bars. The Fourier transform as it is stays between 0.75 and 1 for every kind. With its rows in the
#|   order for Monarch, Monarch's error is zero, and the butterfly's is about 0.9. With its rows in the order for a
#|   butterfly, both are zero. Of the kernel that was trained on digits rank 8 leaves the least, about two thirds. To
#|   the random one rank 8 and Monarch come equally near, and the butterfly stays the farthest away.
figure, axes = plt.subplots(figsize=(7.5, 3.2))
for place, (kind, style) in enumerate(plots.styles(errors.columns).items()):
    axes.bar(np.arange(len(errors)) + 0.2 * (place - 1.5), errors[kind], 0.18, color=style["color"], label=kind)
axes.set_xticks(range(len(errors)), [name.replace(", ", ",\n") for name in errors.index], fontsize="small")
axes.set(ylabel="relative error")
_ = figure.legend(loc="outside lower center", ncols=4)

# %% [markdown]
# Structure helps where the matrix has it ({numref}`fig-structured-given`). A butterfly is a Monarch matrix, so what is
# sorted for a butterfly is exact for both. The kernel that was trained on digits is nearer to low rank: rank 8 leaves
# {glue:text}`trained_low_rank:.2f` of it, Monarch {glue:text}`trained_monarch:.2f`. A network that is trained *with*
# the structure is another question, which the experiment asks.
#
# ## Adapters: a small change of a large matrix
#
# LoRA {cite:p}`hu2022lora` keeps a trained matrix and trains a change of low rank beside it, $W + \tfrac{\alpha}{r} A B$, with
# $B = 0$ at the start. DoRA {cite:p}`liu2024dora` trains the norms of the columns apart. As families they are exact when they
# start from a network that was trained:

# %%
adapted = compress(classifier, "dora", value=4, keep=["logits"], verbose=False)
assert np.allclose(adapted.predict(pixels[:9], verbose=0), classifier.predict(pixels[:9], verbose=0), atol=1e-3)
adapted.compression[["layer", "became", "parameters", "parameters_after", "error"]].round(6)

# %% [markdown]
# `parameters_after` counts what training may change. The frozen kernel is stored all the same, and no multiplication is saved.
#
# :::{question} structured-adapters
# GPT-2 M has 24 layers of 1024 units. LoRA of rank 4 adapts queries and values. How many weights does it train?
#
# - [ ] $24 \cdot 4 \cdot 1024$, about 0.1 million.
#
#   Each adapted matrix has two factors, and there are two such matrices in a layer.
# - [ ] $0.35$ million, as published.
#
#   That is what its table says, and it is not what the formula gives: {glue:text}`adapters:,`.
# - [x] $24 \cdot 2 \cdot 4 \cdot 2048$, about 0.39 million.
#
#   Yes, {glue:text}`adapters:,`. The published table has 0.35 million, the same number as in its row for prefixes.
# :::

# %% tags=["hide-input"]
from gradbook import exact

forms = {"GPT-2 M": (1024, 24, 4), "GPT-2 L": (1280, 36, 4), "RoBERTa base": (768, 12, 8), "DeBERTa XXL": (1536, 48, 16)}
forms |= {"RoBERTa base, table of GLUE": (768, 12, 8), "RoBERTa large, table of GLUE": (1024, 24, 8)}
counts = facts[facts.quantity == "trainable parameters"].set_index("setting").value.astype(int)
rows = {name: [counts[name], exact.adapter_parameters(*form)] for name, form in forms.items()}
glue("adapters", rows["GPT-2 M"][1])
glue("roberta", rows["RoBERTa base"][1])
glue("roberta_large", exact.adapter_parameters(1024, 24, 8))
digits = {name: len(str(theirs).rstrip("0")) for name, (theirs, _) in rows.items()}
agree = [name for name, (theirs, ours) in rows.items() if theirs == float(f"{ours:.{digits[name]}g}")]
assert agree == ["DeBERTa XXL", "RoBERTa base, table of GLUE", "RoBERTa large, table of GLUE"]  # three of six
pd.DataFrame(rows, index=["published", "by the formula"]).T.map("{:,}".format)

# %% [markdown]
# Three of the six agree. The number that the authors' README gives for RoBERTa base is that of RoBERTa large,
# {glue:text}`roberta_large:,`, to the digit that is printed; the scripts' rank gives {glue:text}`roberta:,`. The paper's own
# table has both right. Such slips cost nobody anything, but a count is the one thing that can be checked without training.
#
# ## The decay that a product has
#
# The log asked whether weight decay should be lowered where few weights stand for many, and lowered it by the fraction that
# is kept ({eq}`lowrank-decay`). {cite:t}`khodak2021initialization` ask what it does to a product $U V^\top$. Decay on the
# factors pulls on $\tfrac12 (\lVert U \rVert^2 + \lVert V \rVert^2)$. Let $P \Sigma Q^\top$ be the singular value decomposition of
# the product. *Balanced* factors are $P \sqrt\Sigma$ and $Q \sqrt\Sigma$. No others have less of this decay, and theirs is
# the *sum* of the product's singular values. A dense matrix has the sum of their *squares*:
#
# $$
# \tfrac{\lambda}{2} \lVert U V^\top \rVert_F^2 = \tfrac{\lambda}{2} \sum\nolimits_i \sigma_i^2 , \qquad
# \text{gradient in } U: \; \lambda \, U V^\top V .
# $$ (structured-decay)
#
# :::{question} structured-decay
# Two products have the same Frobenius norm: one with singular values $(1, 0)$, one with two of $1 / \sqrt 2$. Which does decay
# on the factors prefer?
#
# - [ ] Neither: their norms are equal.
#
#   That is what Frobenius decay says. The sum of the singular values is 1 for one and $\sqrt 2$ for the other.
# - [x] The first, of rank 1.
#
#   Yes: a sum is smaller where the same norm sits in fewer singular values. Decay on factors lowers the rank still further.
# - [ ] The second, whose largest number is smaller.
#
#   Decay does not look at the largest alone: the sums are 1 and $\sqrt 2$, and the smaller one is preferred.
# :::


# %%
def frobenius_decay(u, v):
    """½‖uvᵀ‖² from the small products alone, and its gradients."""
    return 0.5 * np.sum((u.T @ u) * (v.T @ v)), u @ (v.T @ v), v @ (u.T @ u)


U, V = generator(0, "U").normal(size=(n, 4)), generator(0, "V").normal(size=(n, 4))
singular = np.linalg.svd(U @ V.T, compute_uv=False)
assert np.isclose(frobenius_decay(U, V)[0], 0.5 * np.sum(singular**2))
left, right = decompose.balanced(U @ V.T, 4)
assert np.isclose(0.5 * (np.sum(left**2) + np.sum(right**2)), singular.sum())
assert 0.5 * (np.sum(U**2) + np.sum(V**2)) > singular.sum()

# %% [markdown]
# Every layer of the part has {py:meth}`~gradbook.lowrank.convs.Convolution.squared_norm`, and
# {py:class}`~gradbook.lowrank.distill.Learner` takes `frobenius=True`. The factors `left` and `right` are a *spectral start*
# when the matrix is a random dense one ({py:func}`~gradbook.lowrank.decompose.spectral_start`).

# %%
low_rank = substitute("low_rank", 4 / n)(n, 1, use_bias=False)
low_rank.build((None, 1, 1, n))
low_rank.factor["contract"].assign(U)
low_rank.factor["expand"].assign(V.T)
assert np.isclose(0.5 * float(low_rank.squared_norm()), frobenius_decay(U, V)[0], rtol=1e-4)

# %% [markdown]
# ## The experiment
#
# A classifier of three layers with {glue:text}`width` units and a dense last layer. Each family is brought to
# {glue:text}`live_budget:,` parameters, or as near as it comes. The dense one keeps its size.
#
# :::{question} structured-live
# Low-rank and Monarch layers have equally many weights and multiplications here. Which classifier will be more accurate?
#
# - [ ] The low-rank one, with every seed: the kernel that was trained above is nearer to it.
#
#   Not with every seed. What a dense layer has learnt is not all that it could have learnt. On average low rank has
#   {glue:text}`live_low_rank:.1f` % here, Monarch {glue:text}`live_monarch:.1f` %.
# - [ ] The Monarch one, with every seed: it keeps more of its input.
#
#   It does: a matrix of rank 8 throws away all but 8 directions of its input, in each of three layers, and a Monarch
#   matrix need not. But by seed Monarch is ahead by between {glue:text}`live_least:+.1f` and
#   {glue:text}`live_most:+.1f` points.
# - [x] That depends on the seed.
#
#   Yes: by seed Monarch is ahead by between {glue:text}`live_least:+.1f` and {glue:text}`live_most:+.1f` points.
#   {glue:text}`live_seeds` seeds here do not settle it; at full scale Monarch errs {glue:text}`error_monarch:.1f` %,
#   low rank {glue:text}`error_low_rank:.1f` %.
# :::

# %% tags=["hide-input"]
changed.note()
shown = load(dataset).require_images()
sizes = Sizes(partial(structured.network, shown.x_train[0].size, width, len(shown.classes)))
names = ["low_rank", "monarch", "hashed"]
ends = {}
for name in names:
    family = FAMILIES[name]
    tried = range(int(family.low), int(family.high) + 1) if family.is_whole else (family.low, family.high)
    reach = [sizes(family(value)) for value in tried]
    ends[name] = min(reach), max(reach)
least, most = max(end[0] for end in ends.values()), min(end[1] for end in ends.values())
brought = min(max(budget, least), most)
glue("width", width)
glue("live_budget", brought)
if brought != budget:
    print(f"These families can bring the network to between {least:,} and {most:,} parameters: {brought:,} are taken.")

# %%
setting = {"dataset": dataset, "width": width, "epochs": epochs, "learning_rate": learning_rate, "batch_size": 50}
live = {}
for name in ["plain", *names]:
    cell = structured.Configuration(**setting, family=name, budget=None if name == "plain" else brought)
    live[name] = structured.run(cell, range(seed, seed + n_seeds))

# %% tags=["hide-input"]
rows = [{"family": name, "seed": seed + i, **one.metrics} for name, ones in live.items() for i, one in enumerate(ones)]
table = pd.DataFrame(rows).set_index(["family", "seed"]).astype({"parameters": int, "mult_adds": int})
mean = 100 * table.test_accuracy.groupby("family").mean()
for name in names:
    glue(f"live_{name}", mean[name])
accuracy = 100 * table.test_accuracy.unstack("family")
ahead = accuracy["monarch"] - accuracy["low_rank"]
glue("live_least", ahead.min())
glue("live_most", ahead.max())
glue("live_seeds", n_seeds)
work = table.mult_adds.groupby("family").mean()
glue("live_times", work["hashed"] / work["monarch"])
table[["parameters", "mult_adds", "test_accuracy", "test_loss"]].round(3)

# %% tags=["hide-input"]
#| label: fig-structured-live
#| fig-cap: >-
#|   Training loss (nats) of classifiers with few parameters, and of the dense one. Faint lines: seeds; strong ones:
#|   their mean.
#| fig-alt: >-
#|   Four falling curves on a logarithmic axis. Low rank stays the highest throughout and Monarch
#|   lies below it. Hashed weights and the dense network fall the fastest.
figure, axes = plt.subplots()
for name, style in plots.styles(live).items():
    curves = np.array([record.curves["train_loss"] for record in live[name]])
    plots.seeds(axes, np.arange(1, epochs + 1), curves, {"plain": "dense"}.get(name, name.replace("_", " ")), **style)
axes.set(xlabel="epoch", ylabel="training loss (nats)", yscale="log")
_ = axes.legend()

# %% [markdown]
# Low rank learns the slowest ({numref}`fig-structured-live`). Hashed weights have {glue:text}`live_hashed:.1f` %, at
# {glue:text}`live_times:.1f` times the multiplications of Monarch. A few seeds and small images decide nothing.
#
# ## At full scale
#
# The study `structured` trains on {glue:text}`full_images:,` images of MNIST for {glue:text}`full_epochs` epochs.
# Networks have three layers of 256 units, and every family is brought to {glue:text}`full_budget:,` parameters, or as
# near as it comes: butterflies have {glue:text}`butterfly_parameters:,` and Monarch {glue:text}`monarch_parameters:,`.
# Beside them stand the dense network, and a narrow dense one with 45 units, which has as few. Each is trained at two
# learning rates, and the one with the better held-out accuracy counts. Of {glue:text}`planned` runs
# {glue:text}`finished` are in. {provenance}`structured`

# %% tags=["hide-input"]
measured = results.load("structured")
measured = measured.assign(error=100 * (1 - measured.test_accuracy))
measured["family"] = measured.family.replace("plain", "dense").where(measured.width == 256, "dense, narrow")
measured["family"] = measured.family.str.replace("_", " ")
main = measured[(measured.start == "own") & (measured.weight_decay == 0) & ~measured.scaled]
held_out = main.groupby(["family", "learning_rate"]).held_out_accuracy.mean().unstack()
chosen = held_out.idxmax(axis=1)
main = main[main.learning_rate == main.family.map(chosen)]
glue("planned", len(structured.STUDY.runs))
glue("finished", len(measured))
glue("full_images", structured.Configuration().images)
glue("full_epochs", structured.Configuration().epochs)
glue("full_budget", structured.BUDGET)
summary = main.groupby("family").agg(
    {"parameters": "first", "mult_adds": "first", "learning_rate": "first", "error": ["mean", "std", "size"]}
)
summary.columns = ["parameters", "mult-adds", "learning rate", "error (%)", "spread", "runs"]
summary = summary.sort_values("error (%)").rename_axis(None)
for name, family in {"train": "block tensor train", "narrow": "dense, narrow", "dense": "dense"}.items():
    glue(f"error_{name}", summary["error (%)"][family])
for family in ("monarch", "low rank", "hashed", "butterfly"):
    glue(f"error_{family.replace(' ', '_')}", summary["error (%)"][family])
summary = summary.astype({"parameters": int, "mult-adds": int})
summary.round({"error (%)": 2, "spread": 2})

# %% tags=["hide-input"]
glue("main_seeds", int(summary["runs"].min()))
assert summary["error (%)"]["butterfly"] > summary["error (%)"]["dense"]
missed = (summary.parameters.drop(["dense", "dense, narrow"]) / structured.BUDGET - 1).abs()
for family in ("butterfly", "monarch"):
    glue(f"{family}_parameters", summary.parameters[family])
assert missed.drop(["butterfly", "monarch"]).max() < 0.03 < missed[["butterfly", "monarch"]].min()
group = ["block tensor train", "monarch", "dense, narrow", "low rank"]
times = summary["mult-adds"]["dense"] / summary["mult-adds"][group]
glue("times_least", times.min())
glue("hashed_work", summary["mult-adds"]["hashed"] / summary["mult-adds"]["monarch"])
assert (summary.loc[group[:2], "error (%)"] < summary.loc[group[2:], "error (%)"].min()).all()
assert abs(summary["error (%)"]["hashed"] - summary["error (%)"]["monarch"]) < summary["spread"]["monarch"]
glue("times_most", times.max())

# %% tags=["hide-input"]
#| label: fig-structured-errors
#| fig-cap: >-
#|   Test error on MNIST against the multiplications for one image, at about equal parameters but for the dense network.
#|   One mark for each seed. {provenance}`structured`
#| fig-alt: >-
#|   Points in two groups: networks with 30,000 to 40,000 multiplications on the left, those with about 330,000 on the
#|   right. Left, block tensor trains and Monarch err least, right, the dense network. Hashed weights, on the right, err
#|   about as much as the best on the left.
figure, axes = plt.subplots(figsize=(7.5, 3.6))
marks = dict(zip(summary.index, "osD^v<>PXph", strict=False))
for place, (name, marker) in enumerate(marks.items()):
    points = main[main.family == name]
    colour = plots.COLOURS[place % len(plots.COLOURS)]
    axes.plot(points.mult_adds, points.error, marker, color=colour, fillstyle="none", label=name)
axes.set(xscale="log", xlabel="multiplications for one image", ylabel="test error (%)")
axes.xaxis.set(major_locator=LogLocator(subs=(1, 2, 5)), minor_locator=NullLocator(), major_formatter=EngFormatter(sep=""))
_ = figure.legend(loc="outside right")

# %% [markdown]
# {numref}`fig-structured-errors` has two groups. At about equal *parameters* all but the dense network may be compared.
# At about equal *multiplications* only those of one group may: low rank, Monarch, block tensor trains, butterflies and
# the narrow network on the left, hashed weights, tensor trains, adapters and the dense network on the right.
#
# What would the log choose today? Hashed weights, one of its families, err {glue:text}`error_hashed:.1f` % here. Monarch
# errs {glue:text}`error_monarch:.1f` % with {glue:text}`hashed_work:.1f` times fewer multiplications. Where these count, it
# could choose Monarch or block tensor trains. How long they take was not measured. This is MNIST, and convolutions may
# differ.
#
# The other two questions of the study: a learning rate for each factor, by the rule of {cite:t}`qiu2024compute`, and
# the start and the decay of low-rank factors. Errors in percent, with their spread and the number of runs. The second
# table is all at the learning rate 0.003. At 0.001 low rank errs {glue:text}`low_rank_slow:.2f` % without any decay,
# less than in any row there:

# %% tags=["hide-input"]


def errors_by(runs, *columns):
    """Mean, spread and number of the runs of each combination."""
    found = runs.groupby(list(columns)).error.agg(["mean", "std", "size"]).round(2)
    return found.set_axis(["error (%)", "spread", "runs"], axis=1)


plain_start = measured[(measured.start == "own") & (measured.weight_decay == 0)]
compared = plain_start[plain_start.family.isin(["low rank", "block tensor train"])]
errors_by(compared, "family", "scaled", "learning_rate")

# %% tags=["hide-input"]
unscaled = measured[(measured.family == "low rank") & ~measured.scaled]
fields, faster = ["start", "decay", "weight_decay"], unscaled[unscaled.learning_rate == 0.003]
factored = errors_by(faster, *fields)
slow = unscaled[(unscaled.learning_rate == 0.001) & (unscaled.weight_decay == 0) & (unscaled.start == "own")]
glue("low_rank_slow", slow.error.mean())
by_chance = f_oneway(*(group for _, group in faster.groupby(fields).error)).pvalue
glue("factored_rows", len(factored))
glue("factored_gap", np.ptp(factored["error (%)"]))
glue("factored_p", by_chance)
assert by_chance > 0.05
assert slow.error.mean() < factored["error (%)"].min() and chosen["low rank"] == 0.001
factored

# %% [markdown]
# Neither answers its question clearly. Each at its better rate, scaled rates bring block tensor trains from
# {glue:text}`scaled_train_without:.1f` to {glue:text}`scaled_train_with:.1f` % and low rank from
# {glue:text}`scaled_low_rank_without:.1f` to {glue:text}`scaled_low_rank_with:.1f` %: for the one a gain as large as the
# spread, for the other a loss. Between starts and decays the errors of {glue:text}`factored_rows` rows differ by up to
# {glue:text}`factored_gap:.1f` points. Chance may explain that: an analysis of variance has $p$ =
# {glue:text}`factored_p:.2f`. {doc}`The ledger <90_ledger>` calls inconclusive what the papers say of either.

# %% tags=["remove-cell"]
by_rate = compared.groupby(["family", "scaled", "learning_rate"]).error.agg(["mean", "std"])
best = by_rate["mean"].groupby(["family", "scaled"]).min()
for name, family in {"train": "block tensor train", "low_rank": "low rank"}.items():
    glue(f"scaled_{name}_without", best[family, False])
    glue(f"scaled_{name}_with", best[family, True])
assert 0 < best["block tensor train", False] - best["block tensor train", True] < by_rate["std"].max()
assert best["low rank", True] > best["low rank", False]
assert np.ptp(factored["error (%)"]) < 2 * factored["spread"].mean()

# %% [markdown]
# ## What failed, and where we deviate
#
# - **Small and short.** MNIST, three layers, three epochs: the papers train vision transformers and language models. What
#   they publish of those is in the ledger as not attempted.
# - **Most families of the chapter before** are left out of the study, to keep it short. Low rank, hashed weights and
#   tensor trains are in; ACDC takes ten times as long as these.
# - **Adapters without a base.** Our LoRA and DoRA stand on a random matrix that nobody trained. That is not what they are
#   for; it says what a small change of *any* matrix can do.
# - **Scaled learning rates** are given to Adam as its authors give them. Ours start with the variance of the chapter before,
#   theirs with that of the maximal update parameterization.
# - **Butterflies** start as rotations. The original starts at random numbers, whose product scatters far more.
# - **Monarch layers** have no padding: the number of blocks is lowered until it divides the channels.
# - **Layouts.** The original LoRA cuts the kernels of convolutions in another way; ours is a $k \times k$ convolution to $r$
#   channels. DoRA has one norm for each output, as in its authors' code; their paper writes matrices the other way round.
#
# ## Exercises
#
# 1. Which matrices are Monarch matrices *and* of rank 1?
#
# :::{dropdown} Solution
# Those of rank 1: every block of a matrix of rank 1 has rank 1.
# :::

# %% tags=["hide-cell"]
outer = np.outer(generator(0, "left").normal(size=n), generator(0, "right").normal(size=n))
assert np.allclose(written_out(*decompose.blockwise(outer, m, m, 1)), outer)

# %% [markdown]
# 2. A block tensor train of $256 \times 256$ has the rank 3. How many weights has it? Put your answer in place of `None`.

# %%
check_weights = exercise(
    lambda: substitute("block_tensor_train", 3)(256, 1, use_bias=False).n_parameters(256),
    too_low="There are 16 · 16 blocks of 16 × 16, and each is a product of two matrices.",
    too_high="Each block has 3 · (16 + 16) weights.",
    relative=1e-6,
)
check_weights(None)

# %% [markdown]
# 3. A factor of a chain has the fan-in $f$: so many inputs enter each of its sums. By the rule of {cite:t}`qiu2024compute` its learning rate is multiplied by
#    $c_\text{in} / (2 f)$ in a chain of two. By how much is it for the second factor of a matrix of rank 4, with 256 inputs?

# %%
check_rate = exercise(
    lambda: 256 / (2 * 4),
    too_low="The second factor sums over the 4 numbers in between, not over the 256 inputs.",
    too_high="A chain of two shares the change between its links.",
)
check_rate(None)

# %% [markdown]
# ## Take-aways
#
# - A Monarch matrix is a grid of blocks of rank 1. Its nearest one is found block by block, by singular values; few other
#   families have that.
# - The Fourier transform is a butterfly, and a Monarch matrix, after sorting. Without it neither comes near.
# - An adapter trains little and stores all of it; its counts are easy to check, and not all that are published agree.
# - Decay on factors penalises the sum of the product's singular values. Frobenius decay penalises what a dense matrix's decay
#   does.
# - At equal parameters a family that saves no multiplications stands beside dense layers. At equal multiplications the
#   rival of a structured matrix is a narrow dense network.

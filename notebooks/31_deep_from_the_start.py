# ---
# jupyter:
#   gradbook:
#     reads: [published/31_deep_from_the_start, results/deep_blocks, results/gradnets]
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
# # Deep from the start
#
# :::{card}
# **Papers.** {cite:t}`bachlechner2020rezero`, {cite:t}`de2020batch`, {cite:t}`zhang2019fixup`, {cite:t}`wang2022deepnet`,
# {cite:t}`huang2016deep`, {cite:t}`zhang2022deep`.
#
# **Claim.** A very deep network trains from its first step, if it starts as (nearly) the identity, or with activations
# that are made for its depth. Nobody has to open a gate.
#
# **Verdict.** In one pass over MNIST a GradNet of fifty layers, whose gate takes the skip away, reaches
# {glue:text}`gradnet_50:.1%`, plain layers from He's weights {glue:text}`plain_50:.1%`, and a gReLU opened slowly
# {glue:text}`grelu_50:.1%`. Blocks that learn their gate reach {glue:text}`rezero_50:.1%`, and blocks with a constant gate {glue:text}`scaled_50:.1%`
# ([at full scale](#deep-at-full-scale)). {doc}`The ledger <90_ledger>` has {verdict}`31_deep_from_the_start`.
#
# **Time to read.** 15 minutes. **Know before.** {doc}`30_gradnets`, up to its equation of the gate.
#
# **Cost of this page.** {cost}`31_deep_from_the_start`
# :::
#
# **You will see**
#
# - one equation, and eight ways to set its {term}`gate` or to vary it,
# - where each of them starts, by a closed form,
# - an activation that needs no gate, because its slope is made for the depth,
# - fifty layers trained in four ways, and fifty and two hundred in more,
# - an answer to the question whether opening a gate slowly is still worth it.

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
dataset = "digits"  # any images, by name or path
seed = 0  # the first of the seeds
n_seeds = 2
depth = 50
width = 50
epochs = 40
learning_rate = 1e-3

# %%
from gradbook.parameters import check

changed = check(
    globals(),
    {
        "dataset": ("digits", "a dataset of images"),
        "seed": (0, "an integer from 0 up to 1000000"),
        "n_seeds": (2, "an integer from 1"),
        "depth": (50, "an integer from 4 up to 500"),
        "width": (50, "an integer from 2"),
        "epochs": (40, "an integer from 1"),
        "learning_rate": (1e-3, "a number above 0 up to 0.01"),
    },
)

# %% tags=["hide-input"]
from functools import partial

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import tensorflow as tf

from gradbook import plots, published
from gradbook.exercises import exercise
from gradbook.experiments import deep_blocks
from gradbook.gradnets.blocks import BLOCKS, cosine_map, survival, tailored_slope, through, variance_growth
from gradbook.notebook import glue
from gradbook.seeds import generator
from gradbook.studies import results

plots.use_style()

# %%
seeds = range(seed, seed + n_seeds)
hidden = depth - 2
images = deep_blocks.images(dataset)
setting = {
    "dataset": dataset,
    "depth": depth,
    "width": width,
    "epochs": epochs,
    "learning_rate": learning_rate,
    "batch_size": min(50, len(images.train[1])),
}

# %% tags=["remove-cell"]
glue("hidden", hidden)
glue("depth", depth)
glue("doubled", variance_growth(hidden, 1.0))
glue("kept", variance_growth(hidden, hidden**-0.5))

# %% [markdown]
# ## Who sets the gate?
#
# The chapter before mixes a layer with its input, and an {term}`annealing schedule` moves the mixture. Leave the input
# whole, and let the gate weigh what is added, as in a {term}`residual block`:
#
# $$
# y = x + g\, F(x) , \qquad F(x) = \operatorname{relu}(x)\, W + b .
# $$ (deep-gate)
#
# With weights of variance $2/n$, the branch $F$ has the second moment of its input $x$, if $x$ is symmetric around zero
# {cite:p}`he2015delving`. Input and branch are uncorrelated, since the weights have mean zero. So each block
# multiplies the second moment by $1 + g^2$.
#
# :::{question} deep-growth
# By what factor have {glue:text}`hidden` blocks multiplied it if $g = 1/\sqrt{L}$, with $L$ their number?
#
# - [ ] About {glue:text}`doubled:.0e`, one doubling for each block.
#
#   That is what $g = 1$ gives, the plain residual network. Signals of that size saturate the loss.
# - [x] Less than $e$, whatever the depth.
#
#   Yes: $(1 + 1/L)^L$ grows towards $e$. Here it is {glue:text}`kept:.2f`.
# - [ ] By $1 + 1/L$, next to nothing.
#
#   That is one block. Each of the $L$ blocks does it.
# :::

# %%
x = generator(seed, "inputs").normal(size=(300, 400))
W = generator(seed, "weights").normal(scale=np.sqrt(2 / 400), size=(hidden, 400, 400))


def growth(g):
    """The factor by which the blocks multiply the second moment."""
    y = x
    for matrix in W:
        y = y + g * np.maximum(y, 0) @ matrix
    return np.mean(y**2) / np.mean(x**2)


{g: f"{growth(g):.3g}, expected {variance_growth(hidden, g):.3g}" for g in (1.0, hidden**-0.5, 0.0)}

# %% [markdown]
# So a constant is a way to set the gate. There are others. Three of them change the equation, too: GradNet and VanillaNet
# let the skip go or have none, and DeepNorm normalises the sum, $y = \operatorname{LN}(\alpha x + F(x))$.
#
# | block | who sets the gate | at the start | in the library |
# |---|---|---|---|
# | GradNet | an annealing schedule, the same for all blocks | closed | {py:func}`~gradbook.gradnets.blocks.gradnet` |
# | masked growth {cite:p}`yao2024masked` | a schedule that opens one block after the other | closed | {py:func}`~gradbook.gradnets.blocks.growth` |
# | ReZero, SkipInit | the gradient: $g$ is a weight, $\alpha$ | closed | {py:func}`~gradbook.gradnets.blocks.rezero`, {py:func}`~gradbook.gradnets.blocks.skipinit` |
# | Fixup | nobody: the last matrix of a branch starts at zero | closed | {py:func}`~gradbook.gradnets.blocks.fixup` |
# | scaled | a constant, $1/\sqrt{L}$ | ajar | {py:func}`~gradbook.gradnets.blocks.scaled` |
# | DeepNorm | two constants of the depth, before a normalisation | ajar | {py:func}`~gradbook.gradnets.blocks.deepnorm` |
# | stochastic depth | a coin for each block and batch | ajar | {py:func}`~gradbook.gradnets.blocks.stochastic_depth` |
# | VanillaNet {cite:p}`chen2023vanillanet` | a schedule that closes: activations vanish, and layers are merged | open | {py:func}`~gradbook.gradnets.blocks.vanillanet` |
#
# ReZero, masked growth and DeepNorm put the ReLU behind the matrix, $F(x) = \operatorname{relu}(xW + b)$. SkipInit, scaled
# and stochastic depth put it before. A block of Fixup has two matrices, and a ReLU after the sum. The library's one call for a stack of any of them is {py:func}`~gradbook.gradnets.blocks.through`. It agrees with the lines above:


# %%
def stack(name):
    """A block's stack as a function of x, before training."""
    block = BLOCKS[name](hidden)
    weights = [tf.constant(w, tf.float32) for w in block.initial(width, generator(seed, "weights"))]
    run, gates = through(block), block.gates(tf.constant(0.0))
    return (lambda x: run(x, gates, *weights)), weights


scaled, (matrices, _) = stack("scaled")
start = generator(seed, "inputs").random((1, width)).astype("float32")
y = start
for matrix in matrices.numpy():
    y = y + np.maximum(y, 0) @ matrix / np.sqrt(hidden)
np.testing.assert_allclose(scaled(tf.constant(start)), y, rtol=1e-3, atol=1e-4)

# %% [markdown]
# ## Where each of them starts
#
# In the backward pass the gradient is multiplied by the Jacobian of the stack. Its singular values say by how much it
# stretches or shrinks a gradient. Before training it has a closed form for several blocks. GradNet, growth, ReZero,
# SkipInit and Fixup start as the identity: all singular values are 1. DeepNorm with empty branches would start as a
# projection, divided by the spread of $x$. It takes away the mean and the direction of $x$. {numref}`fig-deep-jacobian`
# shows the Jacobians as they are. *Tailored* layers, explained below, have no skip, and a leaky ReLU whose slope is made
# for the depth. *Plain* ones have no skip and start from He's weights.


# %%
def singular_values(name):
    rows = tf.constant(np.repeat(start, width, axis=0))
    with tf.GradientTape() as tape:
        tape.watch(rows)
        y = stack(name)[0](rows)
    return np.linalg.svd(tape.gradient(y, rows, tf.eye(width)).numpy(), compute_uv=False)


shown = ("plain", "tailored", "deepnorm", "scaled", "rezero", "gradnet")
spectra = {name: singular_values(name) for name in shown}
assert (spectra["rezero"] == 1).all() and (spectra["gradnet"] == 1).all()

# %% tags=["hide-input"]
#| label: fig-deep-jacobian
#| fig-cap: >-
#|   Singular values of the Jacobian of all hidden layers before training, at one input; one dot each. Values below
#|   10⁻¹² are drawn there.
#| fig-alt: >-
#|   Six rows of dots on a logarithmic axis. GradNet and ReZero are one dot at 1. Scaled blocks lie between 0.1 and
#|   7, DeepNorm between 1 and 9 but for two dots below 10 to the power of minus 7. Tailored layers are spread evenly
#|   from 9 down to 10 to the power of minus 7; plain layers reach from 1 to the end of the axis, where many are.
figure, axes = plt.subplots(figsize=(7, 2.4))
for place, name in enumerate(shown):
    values = np.maximum(spectra[name], 1e-12)
    axes.semilogx(values, np.full(len(values), place), "o", color=plots.COLOURS[1], alpha=0.4)
axes.set_yticks(range(len(shown)), shown)
_ = axes.set(xlabel="singular value")

# %% [markdown]
# Plain layers pass one direction or two, and lose most others. Tailored layers keep the norm on average, and yet shrink
# many directions. Two singular values of DeepNorm are nearly zero: they are the two directions that a normalisation takes
# away.
#
# A closed gate has a price: no gradient reaches a branch behind it. ReZero pays it for one step only.
#
# :::{question} deep-rezero
# All $\alpha$ of ReZero are 0. What does the very first gradient move in the hidden blocks?
#
# - [ ] Nothing: a product with zero has no gradient.
#
#   Not with respect to the factor that is zero. The derivative of $\alpha F(x)$ with respect to $\alpha$ is $F(x)$.
# - [x] The $\alpha$ alone. The matrices move from the second step on.
#
#   Yes. Each $\alpha$ moves by the product of the gradient with what its branch would have added.
# - [ ] The matrices alone.
#
#   Their gradient has the factor $\alpha$, which is 0. It is the other way round.
# :::

# %%
rezero, weights = stack("rezero")
with tf.GradientTape() as tape:
    tape.watch(weights)
    loss = tf.reduce_sum(rezero(tf.constant(start)) ** 2)
moved = [bool(np.any(gradient)) for gradient in tape.gradient(loss, weights)]
dict(zip(["matrices", "biases", "alpha"], moved, strict=True))

# %% [markdown]
# ### No gate at all
#
# {cite:t}`zhang2022deep` leave out the skip. Follow two inputs with cosine $c$ through a wide layer whose activation is a
# leaky ReLU of slope $a$, times $\sqrt{2/(1+a^2)}$. Behind the layer their cosine is
#
# $$
# C(c) = c + \frac{(1-a)^2}{\pi (1+a^2)} \left( \sqrt{1-c^2} - c \arccos c \right) .
# $$ (deep-cosine)
#
# Nothing is lost in norm, at any slope. But with ReLUs, $a = 0$, all inputs become one: orthogonal ones leave
# {glue:text}`hidden` layers with a cosine of {glue:text}`relu_cosine:.3f`. With $a = 1$ the network is linear. The tailored
# slope lies between: with it two orthogonal inputs have the cosine 0.9 at the end.

# %% [markdown]
# :::{question} deep-tailored
# The network becomes deeper. Which way does the tailored slope go?
#
# - [ ] Towards 0, since a deep network needs strong nonlinearities.
#
#   Then all inputs would look alike at the end. The opposite is true.
# - [x] Towards 1: each layer has to be more linear.
#
#   Yes. The nonlinearity of the whole network is fixed, and each layer gets its part of it.
# - [ ] It stays, since a slope is a property of a layer.
#
#   It is chosen for the whole network, by what is left at its end.
# :::


# %%
def behind(layers, c, layer):
    """The cosine behind so many layers, from the cosine before them and the map of one layer."""
    for _ in range(layers):
        c = layer(c)
    return c


{layers: round(tailored_slope(partial(behind, layers)), 4) for layers in (20, 50, 100, 200)}

# %% tags=["remove-cell"]
glue("relu_cosine", behind(hidden, 0.0, lambda c: cosine_map(c, 0.0)))

# %% [markdown]
# ## Fifty layers, four ways to start
#
# We train {glue:text}`depth` layers on the same images, with the same seeds, steps and learning rate. The plain network
# starts from He's weights, not from the smaller ones of the chapter before; the gate of the GradNet opens over the first half.
#
# :::{question} deep-live
# Which of them has the smallest training loss at the end?
#
# - [ ] The GradNet: its weights could move to a good place before the network became deep.
#
#   Its loss ends at {glue:text}`live_gradnet:.2f`. Perhaps there are too few steps at each value of the gate to find
#   that place; it was not measured.
# - [x] Those whose input stays whole: ReZero and the scaled blocks.
#
#   Yes: {glue:text}`live_rezero:.0e` and {glue:text}`live_scaled:.0e`, against {glue:text}`live_gradnet:.2f` of the
#   GradNet.
# - [ ] The plain one: with He's weights nothing was wrong with it.
#
#   It learns, but slowly: {glue:text}`live_plain:.2f`.
# :::

# %% tags=["hide-input"]
changed.note()

# %%
compared = ("plain", "gradnet", "scaled", "rezero")
per_epoch = len(images.train[1]) // setting["batch_size"]
runs = {
    name: deep_blocks.run(deep_blocks.Configuration(**setting, block=name, log_every=2 * per_epoch), seeds)
    for name in compared
}

# %% tags=["hide-input"]
#| label: fig-deep-live
#| fig-cap: >-
#|   Left: training loss, one faint line per seed and their mean. Right: the mean absolute gate, which a schedule
#|   opens in the GradNet, and which ReZero learns.
#| fig-alt: >-
#|   Left, on a logarithmic axis, the losses of the scaled blocks and of ReZero fall to below 0.001. The GradNet's
#|   hardly leaves 1, and the plain network's ends a little lower. Right, the GradNet's gate rises in a straight line
#|   to 1 at half of training; that of ReZero rises within a few epochs to about 0.1 and stays there.
figure, axes = plt.subplots(1, 2, figsize=(7.5, 3.2))
for name, style in plots.styles(compared).items():
    epoch = np.array(runs[name][0].curves["iteration"]) / per_epoch
    loss = np.array([record.curves["train_loss"] for record in runs[name]])
    plots.seeds(axes[0], epoch, loss, name, **style)
    glue(f"live_{name}", loss[:, -1].mean())
    if name in ("gradnet", "rezero"):
        plots.seeds(axes[1], epoch, np.array([record.curves["gate"] for record in runs[name]]), name, **style)
        glue(f"gate_{name}", np.mean([record.curves["gate"][-1] for record in runs[name]]))
axes[0].set(xlabel="epoch", ylabel="training loss (nats)", yscale="log")
axes[1].set(xlabel="epoch", ylabel="mean |gate|", ylim=(0, 1.05))
_ = axes[0].legend(fontsize="small")

# %% tags=["hide-input"]
final = {name: [record.metrics["test_accuracy"] for record in records] for name, records in runs.items()}
pd.DataFrame(final, index=pd.Index(seeds, name="seed")).T.rename_axis("test accuracy").round(3)

# %% [markdown]
# {numref}`fig-deep-live` shows two gates. That of the GradNet must reach 1, whatever the network has learnt by then.
# Those of ReZero go where the loss is smaller, and the mean $|\alpha|$ stays near {glue:text}`gate_rezero:.2f`: each
# block adds a little to its input. What the blocks do together is not measured.
#
# (deep-at-full-scale)=
# ## At full scale
#
# The study `deep_blocks` trains every block on MNIST: one pass, {glue:text}`steps` steps, with the width, the batches
# and the optimizer of the chapter before, and without its dropout. Each block has the same learning rates to choose from:
# {glue:text}`rates_50` at fifty layers, {glue:text}`rates_200` at two hundred. The best one is that with the highest
# mean accuracy on 5,000 images held out; what is shown is the accuracy on the test images.
#
# For {glue:text}`on_edge` of the {glue:text}`n_blocks` blocks at fifty layers the best rate is the lowest or the
# highest of those tried, so a wider choice could change their numbers. At two hundred layers, with two rates, that is
# so for every block. The numbers of this section do not depend on the parameters of this page.

# %% tags=["hide-input"]
WHOLE = ["growth", "rezero", "skipinit", "scaled", "fixup", "deepnorm", "stochastic_depth"]
study = results.load("deep_blocks")
ours = study[(study["protocol"] == "gradnets") & (study["penalty"] == 0)]
chosen, edges = {}, {}
for layers, deep in ours.groupby("depth"):
    tried = deep.groupby("learning_rate")["block"].nunique()
    rates = tried.index[tried == tried.max()]  # those that all blocks were given
    edges[layers] = rates.min(), rates.max()
    glue(f"rates_{layers}", ", ".join(f"{rate:g}" for rate in rates))
    for name, cells in deep[deep["learning_rate"].isin(rates)].groupby("block", sort=False):
        best = cells.groupby("learning_rate")["held_out_accuracy"].mean().idxmax()
        chosen[layers, name] = cells[cells["learning_rate"] == best]

# %% tags=["hide-input"]
table = pd.DataFrame(
    [
        (
            name,
            layers,
            f"{rows.learning_rate.iloc[0]:g}",
            len(rows),
            rows.test_accuracy.mean(),
            rows.test_accuracy.std(),
        )
        for (layers, name), rows in chosen.items()
    ],
    columns=["block", "layers", "learning rate", "seeds", "test accuracy", "standard deviation"],
)
table.sort_values(["layers", "test accuracy"], ascending=[True, False]).set_index("block").round(4)

# %% tags=["remove-cell"]
for (layers, name), rows in chosen.items():
    glue(f"{name}_{layers}", rows["test_accuracy"].mean())
whole = [chosen[50, name].test_accuracy.mean() for name in WHOLE]
glue("n_whole", len(whole))
glue("whole_least", min(whole))
glue("whole_most", max(whole))
penalised = study[study["penalty"] > 0].groupby("learning_rate")[["held_out_accuracy", "test_accuracy"]].mean()
glue("penalised", penalised.loc[penalised["held_out_accuracy"].idxmax(), "test_accuracy"])
gated = results.load("gradnets")
glue("chapter_30", gated.cell()["test_accuracy"].mean())
glue("grelu_chapter_30", gated.select(layer="grelu", initializer="orthogonal")["test_accuracy"].mean())
glue("steps", int(ours.curve("iteration").iloc[0].iloc[-1]))

# %% tags=["remove-cell"]
rate = {key: rows["learning_rate"].iloc[0] for key, rows in chosen.items()}
on_edge = [rate[layers, name] in edges[layers] for layers, name in chosen if layers == 50]
glue("on_edge", sum(on_edge))
glue("n_blocks", len(on_edge))
assert rate[50, "tailored"] == rate[50, "grelu"] == edges[50][0]  # the lowest rate tried
assert rate[50, "scaled"] == rate[50, "fixup"] == rate[50, "rezero"] > edges[200][1]  # not tried with two hundred layers
glue("untried", rate[50, "scaled"])

mean = {key: rows["test_accuracy"].mean() for key, rows in chosen.items()}
lost = {name: 100 * (mean[50, name] - value) for (layers, name), value in mean.items() if layers == 200}
assert abs(lost["rezero"]) < 0.1
losers = [lost[name] for name in ("deepnorm", "scaled", "fixup")]
assert min(losers) > 0.5 and max(losers) < 1.2  # between half a point and a little more than one
skips, others = [[name for name in lost if (name in WHOLE) is whether] for whether in (True, False)]
gaps = [min(mean[n, name] for name in skips) - max(mean[n, name] for name in others) for n in (50, 200)]
assert 0 < gaps[0] < gaps[1]  # the groups part further

# %% tags=["remove-cell"]
at_rate = ours.groupby(["learning_rate", "depth", "block"])["test_accuracy"].mean()
slow = at_rate[edges[50][0], 50][WHOLE]
glue("slow_least", slow.min())
glue("slow_most", slow.max())
glue("same_rate", edges[200][1])
for name in ("scaled", "fixup", "deepnorm"):
    same = at_rate[edges[200][1]]
    glue(f"{name}_same_rate", 100 * (same[50, name] - same[200, name]))
    assert name == "deepnorm" or same[50, name] - same[200, name] < (mean[50, name] - mean[200, name]) / 2

# %% tags=["hide-input"]
#| label: fig-deep-study
#| fig-cap: >-
#|   Every run of each block at the best of the learning rates tried: accuracy on the test images after one pass over
#|   MNIST, one mark per seed. {provenance}`deep_blocks`
#| fig-alt: >-
#|   Rows of marks. Seven blocks stand at 0.95 or just above, with hardly any spread: DeepNorm, ReZero, SkipInit,
#|   scaled, growth, stochastic depth and Fixup; the four trained with two hundred layers lie between 0.93 and 0.96.
#|   Tailored layers lie at 0.91 and the gReLU at 0.90, with two hundred layers at 0.85 and anywhere between 0.1 and
#|   0.65. Plain layers and the GradNet scatter between 0.55 and 0.87, VanillaNet around 0.65. With two hundred
#|   layers the GradNet is at 0.11.
names = sorted({name for _, name in chosen}, key=lambda name: chosen[50, name]["test_accuracy"].mean())
figure, axes = plt.subplots(figsize=(7, 0.8 + 0.28 * len(names)))
for layers, style in plots.styles([50, 200]).items():
    for place, name in enumerate(names):
        if (layers, name) in chosen:
            values = chosen[layers, name]["test_accuracy"]
            label = f"{layers} layers" if name == names[-1] else None
            marker = "o" if layers == 50 else "D"
            axes.plot(values, np.full(len(values), place), marker, color=style["color"], alpha=0.6, label=label)
axes.set_yticks(range(len(names)), names)
axes.set(xlabel="test accuracy", xlim=(0, 1))
_ = axes.legend(loc="upper left")

# %% [markdown]
# {numref}`fig-deep-study` falls into two groups. In the upper one every block keeps its skip. There, at the best rate of
# each, it hardly matters who sets the gate: a weight, a constant, a coin, or a schedule that opens block after block. The
# means of these {glue:text}`n_whole` blocks lie between {glue:text}`whole_least:.1%` and {glue:text}`whole_most:.1%`. At
# the lowest rate tried they lie between {glue:text}`slow_least:.1%` and {glue:text}`slow_most:.1%`.
#
# In the lower group nothing of the input is left beside the layer in the end. GradNet's gate takes it away, and leaves a
# plain network of fifty layers. It reaches {glue:text}`gradnet_50:.1%`, a plain one that starts from He's weights
# {glue:text}`plain_50:.1%`. With twenty times as many steps, a penalty and dropout, the GradNet of the chapter before comes to
# {glue:text}`chapter_30:.1%`. ReZero has more after one pass.
#
# At two hundred layers the two groups part further. Of the blocks trained at two hundred layers, ReZero keeps
# {glue:text}`rezero_200:.1%`; DeepNorm, scaled and Fixup lose between half a point and a little more than one. ReZero,
# scaled and Fixup chose a rate of {glue:text}`untried:g` at fifty layers, which was not tried at two hundred. At the
# same rate of {glue:text}`same_rate:g` for both depths scaled loses {glue:text}`scaled_same_rate:.1f` points, Fixup
# {glue:text}`fixup_same_rate:.1f` and DeepNorm {glue:text}`deepnorm_same_rate:.1f`. So most of the loss of scaled and
# Fixup goes with the rate. Tailored layers fall to {glue:text}`tailored_200:.1%`. The GradNet ends at
# {glue:text}`gradnet_200:.1%`, the fraction of the most frequent digit.
#
# So, is opening a gate slowly still worth it?
#
# - **If the network may keep its skips**, it is not needed. Masked growth does open slowly, and ends where the others do. Its
#   merit is another: a block behind a closed mask need not be computed.
# - **If it must end without skips**, to be small and fast in use, this study does not decide it. In one pass tailored
#   activations, with nothing to open, reach {glue:text}`tailored_50:.1%`, a gReLU opened slowly
#   {glue:text}`grelu_50:.1%`, both from orthogonal matrices. Both did best at the lowest rate tried, so the difference
#   may depend on the rates. From such matrices the gReLU of the chapter before comes to
#   {glue:text}`grelu_chapter_30:.1%` in twenty epochs.
#
# ### A published run
#
# The notebook of {cite:t}`bachlechner2020rezero` trains 64 dense layers of 256 units on CIFAR-10. In the first epoch its
# mean training loss is {glue:text}`published_loss:.2f`. Ours is {glue:text}`cifar_loss:.2f`, with a standard deviation of
# {glue:text}`cifar_spread:.2f` over {glue:text}`cifar_seeds` seeds. Its own control, layers with a normalisation and
# no skip, is at {glue:text}`published_layernorm:.2f` by then, little below chance level.

# %% tags=["remove-cell"]
cifar = study[study["protocol"] == "rezero"]["train_loss"]
log = published.load("31_deep_from_the_start").query("quantity == 'train_loss'").set_index("setting").value
glue("published_loss", float(log["64 layers, ReZero, epoch 1"]))
glue("published_layernorm", float(log["64 layers, LayerNorm, epoch 1"]))
glue("cifar_loss", cifar.mean())
glue("cifar_spread", cifar.std())
glue("cifar_seeds", len(cifar))

# %% [markdown]
# ## What failed, and where we deviate
#
# - **Little training.** One pass over MNIST is a twentieth of that in the chapter before. There the same gate, with 20 epochs,
#   reaches far more. What is compared here is how much a start helps as long as training is short.
# - **Dropout** is left out. With two hundred layers, the dropout of the chapter before would leave $0.95^{199}$, which is
#   {glue:text}`survivors:.0e`, of the signal behind a closed gate. Its penalty on the weights is left out, too: with
#   one of 5, GradNets of fifty layers end at {glue:text}`penalised:.1%`, at the best of the same learning rates.
# - **Networks of dense layers.** DeepNorm was made for transformers, TAT and VanillaNet for convolutions. DeepNorm has
#   no attention to scale here. The method TAT also normalises its input, which we do not.
# - **Stochastic depth** has batch normalisation in its paper, and $1/\sqrt{L}$ here. One pass is no time to overfit, so a
#   regulariser has nothing to win.
# - **Masked growth** is reduced to its mask: the library adds blocks, but neither units nor heads, and all weights exist
#   from the start.
# - **Mollifying networks** {cite:p}`gulcehre2017mollifying` are not trained. The library has their activation,
#   {py:func}`~gradbook.gradnets.blocks.mollified_relu`. Where it is smooth its slope is a half, which fifty layers in a
#   row cannot bear, as with the gReLU of the chapter before. The paper's way around it is not built here.
# - **VanillaNet** closes its gates in 6 to 13 layers. In fifty it is a stress that its authors did not intend.
# - **Not attempted**: the published errors of residual networks on CIFAR-10 and ImageNet. The ledger lists them.

# %% tags=["remove-cell"]
glue("survivors", 0.95**199)

# %% [markdown]
# ## Exercises
#
# 1. ReZero starts with $\alpha = 0$ and random $W$. What happens if $W$ and $b$ start at zero, too? Predict, then compute.
#
# :::{dropdown} Solution
# Nothing ever happens. The gradient of $\alpha$ has the factor $F(x) = 0$, and that of $W$ has the factor $\alpha = 0$. One
# of two factors may be zero, not both. Fixup keeps to it: its last matrix is zero and its multiplier is 1.
# :::

# %% tags=["hide-cell"]
block = BLOCKS["rezero"](hidden)
empty = [tf.zeros_like(weight) for weight in weights]
with tf.GradientTape() as tape:
    tape.watch(empty)
    loss = tf.reduce_sum(through(block)(tf.constant(start), block.gates(tf.constant(0.0)), *empty) ** 2)
[bool(np.any(gradient)) for gradient in tape.gradient(loss, empty)]

# %% [markdown]
# 2. Stochastic depth keeps block $i$ of $L$ with probability $1 - \frac{i}{2L}$. How many of the {glue:text}`hidden` hidden
#    blocks of this page are there on average? Give it in place of `None`.

# %%
check_depth = exercise(
    lambda: survival(hidden).sum(),
    too_low="The first blocks are nearly always there.",
    too_high="The last block is there half of the time.",
    relative=1e-3,
)
check_depth(None)

# %% [markdown]
# ## Take-aways
#
# - $y = x + g F(x)$: a schedule, the gradient, a coin or a constant can set the gate. All blocks here that keep their skip
#   train. They start with a gate of zero, or one made for the depth; larger ones were not tried.
# - Where a network starts can be computed: the identity, a projection, or a factor below $e$.
# - A slope made for the depth keeps norms without a skip. How well such a network trains is another question.
# - While every block keeps its skip, it hardly matters who opens the gate, each at its best learning rate. A gate that takes the skip away leaves a
#   plain network behind, and in short training that is what the result looks like.

# ---
# jupyter:
#   gradbook:
#     reads: [published/30_gradnets, results/gradnets, results/gradnets_variants]
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
# # Fifty layers, opened slowly
#
# :::{card}
# **Papers.** {cite:t}`almeida2015gradnets`. The published run is that of {cite:t}`zhangbanger2015comparing`, whose layers
# start as the identity instead of linear.
#
# **Claim.** Start from an architecture that is easy to train and turn it, while it trains, into the one you want.
# Networks of up to 200 layers then train.
#
# **Verdict.** From the published weights fifty plain layers do not train at all; opened slowly they reach {glue:text}`full_accuracy:.1%` on MNIST
# (published: {glue:text}`published_final:.1%`). It depends on what they start from: a layer that starts as the identity
# trains, a layer that starts linear did not from the published initialisation, but did from orthogonal matrices. And
# {glue:text}`closed_accuracy:.1%` need only the first of the rectified layers ([at full scale](#at-full-scale)).
# {doc}`The ledger <90_ledger>` has {verdict}`30_gradnets`.
#
# **Time to read.** 25 minutes. **Know before.** Backpropagation, the ReLU, and what {term}`dropout` does.
#
# **Cost of this page.** {cost}`30_gradnets`
# :::
#
# **You will see**
#
# - in ten lines why fifty plain layers pass no gradient, and how one number lets it through,
# - one equation that turns any layer into any other,
# - a network that does not train, and the same one that does, layer by layer,
# - the published run beside ours, with the control it lacked,
# - what else a gate can turn, and how to gate a model of your own.

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
dataset = "digits"  # "mnist" for the published setting; any images, by name or path
seed = 0  # the first of the seeds
n_seeds = 3
depth = 50
width = 50
tau = 40.0  # epochs of the annealing schedule; 10.0 as published
epochs = 60  # 20 as published
keep = 1.0  # probability that dropout keeps a unit; 0.95 as published
penalty = 5.0  # weight of the mean |W| in the loss; 50.0 as published

# %%
from gradbook.parameters import check

changed = check(
    globals(),
    {
        "dataset": ("digits", "a dataset of images"),
        "seed": (0, "an integer from 0 up to 1000000"),
        "n_seeds": (3, "an integer from 1"),
        "depth": (50, "an integer from 3"),
        "width": (50, "an integer from 1"),
        "tau": (40.0, "a number from 0.01"),
        "epochs": (60, "an integer from 1"),
        "keep": (1.0, "a number above 0 up to 1"),
        "penalty": (5.0, "a number from 0"),
    },
)

# %% tags=["hide-input"]
import re

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import tensorflow as tf
from matplotlib.animation import FuncAnimation
from scipy.stats import ttest_ind

from gradbook import plots, published
from gradbook.exercises import exercise
from gradbook.experiments import gradnets
from gradbook.gradnets import Constant, Cosine, GradualReLU, Linear, Step, gradual_mlp, hidden_layers
from gradbook.notebook import glue, player
from gradbook.seeds import generator, set_seed
from gradbook.studies import results

plots.use_style()

# %%
seeds = range(seed, seed + n_seeds)
images = gradnets.images(dataset)
setting = {
    "dataset": dataset,
    "depth": depth,
    "width": width,
    "tau": tau,
    "epochs": epochs,
    "keep": keep,
    "penalty": penalty,
    "batch_size": min(50, len(images.labels)),
}
network = images.network(gradnets.Configuration(**setting))

# %% [markdown]
# ## The idea in ten lines
#
# A plain layer computes $\operatorname{relu}(x W + b)$. In the backward pass a gradient first loses the components of
# the units that are off, which are about half of them. Then it is multiplied by $W^\top$. With $n$ units and weights of
# variance $\sigma^2$, a layer therefore keeps about
#
# $$
# \rho = \tfrac{1}{2} n \sigma^2
# $$ (gradnets-gain)
#
# of the gradient's squared norm.

# %%
W = network.initial_weights("truncated_normal", 0.0, generator(seed, "weights"))[2].numpy()
gain = width * np.mean(W**2) / 2
gain

# %% tags=["remove-cell"]
glue("gain", gain)
glue("shrinks", np.sqrt(gain) ** (depth - 2))
glue("shrinks_squared", gain ** (depth - 2))
glue("depth", depth)
glue("hidden", depth - 2)
glue("tau", tau)
glue("epochs", epochs)

# %% [markdown]
# The network of this page has {glue:text}`depth` layers. Its {glue:text}`hidden` hidden matrices are drawn from a normal
# distribution of standard deviation 0.1, cut off at twice that. Each keeps {glue:text}`gain:.2f` of the squared norm.
#
# :::{question} gradnets-shrinks
# What is left of the gradient's norm, not squared, below all hidden layers?
#
# - [ ] A half, since half of the units are off.
#
#   That is the loss of one layer through its ReLUs alone. Each layer takes its part of what the one above has left.
# - [ ] About {glue:text}`shrinks_squared:.0e`: each layer keeps {glue:text}`gain:.2f`.
#
#   That is what is left of the squared norm. The norm is the root of it.
# - [x] About {glue:text}`shrinks:.0e`.
#
#   Yes: the square root of $\rho$, once for each of the {glue:text}`hidden` hidden layers. With fifty layers float32
#   still holds such a number, but no weight moves: even Adam, which divides a gradient by its size, first adds
#   $10^{-8}$ to that size.
# :::
#
# The signal shrinks on its way up for the same reason. Now mix each layer with its own input:
#
# $$
# y = (1 - g)\, x + g \operatorname{relu}(x W + b) .
# $$ (gradnets-identity)
#
# One number $g$, the {term}`gate`, serves all layers. At $g = 0$ the network is shallow: what enters the hidden layers
# comes out unchanged. At $g = 1$ it is the deep one. In NumPy, with $b = 0$, forward and then backward:


# %%
def left(matrices, g):
    """What is left of a gradient's norm below a stack of gated layers."""
    y, active = x, []
    for w in matrices:
        active.append(y @ w > 0)
        y = (1 - g) * y + g * (y @ w) * active[-1]
    d = direction
    for w, on in zip(matrices[::-1], active[::-1], strict=True):
        d = (1 - g) * d + g * (d * on) @ w.T
    return np.linalg.norm(d) / np.linalg.norm(direction)


x = generator(seed, "inputs").normal(size=(50, width)).astype("float32")
direction = generator(seed, "direction").normal(size=(50, width)).astype("float32")
{g: f"{left(W, g):.0e}" for g in (0.0, 0.01, 0.1, 0.3, 0.6, 1.0)}

# %% [markdown]
# With the gate closed nothing is lost. At a gate of 0.01 more than half of the norm is left, at an open gate almost
# nothing. Try it:
#
# :::{touch} gate
# A smaller network, 48 hidden layers of 20 units. Left, the activation at this gate; right, the norm of the gradient at
# each layer. Open the gate, and the gradient vanishes on its way to the first layer. Between a ReLU layer and the gReLU,
# which starts linear, a closed gate does not help.
# :::
#
# The library's one call for such a stack is {py:func}`~gradbook.gradnets.hidden_layers`. It is the same loop, compiled,
# with a backward loop of its own. It agrees with the lines above:

# %%
through, no_bias = hidden_layers("identity"), tf.zeros((depth - 2, width))


def gradients(g):
    """Of the direction's product with the output: with respect to the input and to the stack of matrices."""
    inputs, weights = tf.constant(x), tf.constant(W)
    with tf.GradientTape() as tape:
        tape.watch([inputs, weights])
        y, _ = through(inputs, weights, no_bias, weights, tf.constant(g))
    return tape.gradient(y, [inputs, weights], output_gradients=tf.constant(direction))


below, _ = gradients(0.1)
assert np.isclose(np.linalg.norm(below) / np.linalg.norm(direction), left(W, 0.1), rtol=1e-3)
assert changed or left(W, 0.01) > 0.5  # more than half of the norm

# %% [markdown]
# What moves a matrix is its own gradient. That is the product of the signal that reaches its layer from below and the
# gradient that comes back from above. Wherever the layer stands, each of the others has shrunk the one or the other.


# %% tags=["hide-input"]
def gradients_by_layer(g):
    return np.linalg.norm(gradients(g)[1], axis=(1, 2))


# %% tags=["hide-input"]
#| label: fig-gradnets-slopes
#| fig-cap: >-
#|   Before training: the norm of the gradient with respect to each hidden matrix, for a random input and a random
#|   gradient that enters at the top.
#| fig-alt: >-
#|   Five nearly level lines on a logarithmic axis, one per gate. At g of 0.01 the norm is between 1 and 2, at 0.1 a
#|   few tenths, at 0.3 one ten-thousandth, at 0.6 one ten-billionth, and at 1 it is 10 to the power of minus 15. It
#|   is the same for the first matrix as for the last.
figure, axes = plt.subplots()
for g, style in plots.styles([0.01, 0.1, 0.3, 0.6, 1.0]).items():
    axes.semilogy(range(2, depth), gradients_by_layer(g), label=f"g = {g}", **style)
axes.set(xlabel="layer", ylabel="norm of the gradient")
_ = axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))

# %% [markdown]
# {numref}`fig-gradnets-slopes` shows that all matrices receive a gradient of about the same norm. This norm depends on
# $g$. So the gate must not open before training has changed the weights. It must not stay closed either, since the
# gradient of a hidden matrix is proportional to $g$ when $g$ is small. So the method opens the gate slowly, and lets
# the weights move while there is a gradient.
#
# ## One equation
#
# The identity is one easy form of a layer among many. In general
#
# $$
# y = (1 - g) \cdot \text{early}(x) + g \cdot \text{late}(x) , \qquad g = \min(t/\tau, 1) ,
# $$ (gradnets-gate)
#
# with $t$ the epochs done so far and $\tau$ those that the gate takes to open. With $u = x W + b$, these are the hidden
# layers that this page compares:
#
# | layer | early | late | in the library |
# |---|---|---|---|
# | identity | $x$ | $\operatorname{relu}(u)$ | {py:func}`~gradbook.gradnets.stack.identity` |
# | gReLU, the paper's own example | $u$ | $\operatorname{relu}(u)$ | {py:func}`~gradbook.gradnets.stack.grelu` |
# | residual | $x + \operatorname{relu}(u)$ | the same | {py:func}`~gradbook.gradnets.stack.residual` |
# | leaky | $\max(u, u/100)$ | the same | {py:func}`~gradbook.gradnets.stack.leaky` |
# | highway | $T \operatorname{relu}(u) + (1 - T)\, x$ | the same | {py:func}`~gradbook.gradnets.stack.highway` |
#
# The last one learns a gate for every unit, $T = \sigma(x W_T + b_T)$, with the sigmoid $\sigma$. It starts small, since
# $b_T = -2$ and $\sigma(-2) \approx 0.12$.
#
# The gate follows an {term}`annealing schedule`, a function of the part of training that is done
# ({numref}`fig-gradnets-schedules`). {doc}`Your own <../book/own_gate>` is a class with one method.

# %% tags=["hide-input"]
#| label: fig-gradnets-schedules
#| fig-cap: >-
#|   Annealing schedules of the gate. The published run uses the linear one, open after half of training; the first
#|   author's own library has it open after a fifth.
#| fig-alt: >-
#|   Four curves of g against progress from 0 to 1. Linear rises straight to 1 at one half, cosine does so slowly at
#|   both ends, step jumps at one quarter, constant stays at 0.25.
figure, axes = plt.subplots(figsize=(7, 2.2))
progress = np.linspace(0, 1, 401)
schedules = [Linear(0, 0.5), Cosine(0, 0.5), Step(0.25), Constant(0.25)]
for schedule, style in zip(schedules, plots.styles(map(repr, schedules)).values(), strict=True):
    axes.plot(progress, schedule(progress), label=repr(schedule), **style)
axes.set(xlabel="progress of training", ylabel="g")
_ = axes.legend(loc="center right", fontsize="small")

# %% [markdown]
# ## Three things that must hold
#
# The gReLU is a leaky ReLU whose slope below zero is $1 - g$. At $g = 0$ the hidden matrices have no influence in
# {eq}`gradnets-identity`, so their gradient is exactly zero. And the published network has 162,160 parameters, with
# a mean $|W|$ over the hidden matrices of $0.1 \sqrt{2/\pi}\, (1 - e^{-2}) / \operatorname{erf}(\sqrt 2) = 0.07228$.

# %%
u = np.linspace(-3, 3, 61, dtype=np.float32)
np.testing.assert_allclose(GradualReLU(0.3)(u), keras.layers.LeakyReLU(negative_slope=0.7)(u), atol=1e-6)
assert not gradients_by_layer(0.0).any()
trainable = gradual_mlp(depth=50, width=50).trainable_weights
assert sum(weight.numpy().size for weight in trainable) == 162_160
assert abs(np.abs(W).mean() - 0.07228) < 4 * 0.05 / np.sqrt(W.size)

# %% [markdown]
# ## A network that trains, and one that does not
#
# We train two networks of {glue:text}`depth` layers on the same images with the same seeds. In one the gate opens over
# {glue:text}`tau:.0f` of {glue:text}`epochs` epochs. In the other it is open from the start: that is a plain network.
#
# :::{question} gradnets-live
# Where will the two end?
#
# - [ ] Both learn, the plain network more slowly.
#
#   No: it ends at {glue:text}`gate_open_from_the_start:.1%`. Its gradients are not small, they are gone.
# - [ ] The first learns while its gate is closed, and is lost once the gate is fully open.
#
#   It does fall back when the gate is nearly open. But it recovers, and ends at {glue:text}`gate_opens:.1%` on average.
# - [x] The first learns, and has not lost it in the end; the plain network stays at chance level.
#
#   Yes: {glue:text}`gate_opens:.1%` against {glue:text}`gate_open_from_the_start:.1%`, means over the seeds.
# :::

# %% tags=["hide-input"]
changed.note()

# %%
per_epoch = len(images.labels) // setting["batch_size"]
cells = {
    name: gradnets.Configuration(**setting, gate=gate, log_every=2 * per_epoch)
    for name, gate in {"gate opens": None, "gate open from the start": 1.0}.items()
}
runs = {name: [list(gradnets.moments(cell, one)) for one in seeds] for name, cell in cells.items()}

# %% tags=["hide-input"]
#| label: fig-gradnets-live
#| fig-cap: >-
#|   Accuracy on the test images during training, one faint line per seed, and their mean. The gate of one network
#|   opens until the dashed line.
#| fig-alt: >-
#|   The network whose gate opens climbs to about 0.8 in 15 epochs, falls back to about one half while the gate becomes
#|   fully open, recovers, and ends between three quarters and nine tenths. The plain network stays at one tenth from
#|   beginning to end.
figure, axes = plt.subplots()
for name, style in plots.styles(runs).items():
    curves = np.array([[moment.test_accuracy for moment in run] for run in runs[name]])
    epoch = [moment.iteration / per_epoch for moment in runs[name][0]]
    plots.seeds(axes, epoch, curves, name, **style)
    glue(name.replace(" ", "_"), curves[:, -1].mean())
if tau <= epochs:
    axes.axvline(tau, color="grey", linestyle="--", linewidth=1)
axes.set(xlabel="epoch", ylabel="test accuracy", ylim=(0, 1))
_ = axes.legend(loc="center", bbox_to_anchor=(0.4, 0.3))

# %% [markdown]
# The plain network ends at {glue:text}`gate_open_from_the_start:.1%`, the other at {glue:text}`gate_opens:.1%`
# ({numref}`fig-gradnets-live`). Where does the difference come from? {numref}`fig-gradnets-map` has one row per layer.

# %% tags=["hide-input"]
#| label: fig-gradnets-map
#| fig-cap: >-
#|   Mean |gradient| of the cross-entropy with respect to each hidden matrix during training, first seed: the stronger
#|   the blue, the larger. Above the gate opens, below it is open from the start.
#| fig-alt: >-
#|   Two maps of layer against epoch. Above, the first epochs are blank; then all rows have gradients of about the same
#|   size, a hundredth at first and one in the end. Below, only the last few rows differ from the blank ground; the
#|   gradient of all other layers is below a billionth throughout.
figure, axes = plt.subplots(2, 1, sharex=True, figsize=(7, 4.4))
for panel, name in zip(axes, runs, strict=True):
    heights = np.array([moment.gradients for moment in runs[name][0]]).T
    image = panel.imshow(
        np.log10(np.maximum(heights, 1e-12)),
        aspect="auto",
        origin="lower",
        extent=(0, epochs, 1.5, depth - 0.5),
        vmin=-9,
        vmax=0,
        cmap="Blues",
    )
    panel.grid(False)
    panel.set(ylabel="layer", title=name)
axes[1].set(xlabel="epoch")
_ = figure.colorbar(image, ax=axes, label=r"$\log_{10}$ mean |gradient|")

# %% [markdown]
# Where the gate opens, all layers receive a gradient while $g$ is small. They still do when $g$ is 1: the weights have
# moved to where a deep network passes gradients. Where it is open from the start, only the last layers ever do.
#
# {numref}`fig-gradnets-film` shows what passes through the layers in the meantime.

# %% tags=["hide-input"]
#| label: fig-gradnets-film
#| fig-cap: >-
#|   What the layers hand on while the gate opens: distribution of the units' values by layer, over 300 test images,
#|   first seed. The stronger the blue, the larger the fraction of units, on a logarithmic scale.
#| fig-alt: >-
#|   A film. First, with the gate closed, all layers show the same distribution between 0 and 1.2, for each passes on
#|   what it received. As g grows the values spread, the farther up the layer the more. With the gate open, most units
#|   of every layer are at zero, and the values of the upper layers reach beyond 5.
bins = np.linspace(-0.5, 5, 56)


def values_by_layer(moment):
    first, bias, weights, biases, *_ = moment.weights
    start = tf.nn.relu(images.test_images[:300] @ first + bias)
    _, inputs = through(start, weights, biases, weights, tf.constant(moment.gate))
    return np.array([np.histogram(layer, bins)[0] / layer.numpy().size for layer in inputs])


figure, axes = plt.subplots(figsize=(6, 3), dpi=80)
film = runs["gate opens"][0][::2]
picture = axes.imshow(
    np.zeros((depth - 2, len(bins) - 1)), aspect="auto", origin="lower", extent=(-0.5, 5, 2, depth), vmin=-4, vmax=0,
    cmap="Blues",
)
axes.grid(False)
axes.set(xlabel="value of a unit", ylabel="layer")
figure.colorbar(picture, label=r"$\log_{10}$ fraction")


def draw(moment):
    picture.set_data(np.log10(values_by_layer(moment) + 1e-5))
    axes.set_title(f"epoch {moment.iteration / per_epoch:.0f}, g = {moment.gate:.2f}")


player(FuncAnimation(figure, draw, frames=film, interval=300), "values", alt="Distributions by layer; see the caption.")

# %% [markdown]
# ## At full scale
#
# On MNIST with the published settings: {term}`dropout` of 5 % after every layer, a penalty of 50 times the mean $|W|$,
# and 20 epochs of Adam. Its learning rate of 0.001 decays to 0.8 of itself in 1,000 iterations. The study `gradnets` has
# {glue:text}`full_runs` runs. The numbers of this section come from it and do not depend on the parameters of this page.

# %% tags=["hide-input"]
study = results.load("gradnets")
ours, closed = study.cell()["test_accuracy"], study.select(gate=0.0)["test_accuracy"]
glue("full_runs", len(study))
glue("full_seeds", len(ours))
glue("full_accuracy", ours.mean())
glue("full_spread", ours.std())
glue("closed_accuracy", closed.mean())
log = published.load("30_gradnets")
log["iteration"] = pd.to_numeric(log.setting.str.extract(r"^iteration (\d+)")[0])
last = log[log.source.str.endswith("GradNets.ipynb") & (log.iteration == 21900)].set_index("quantity")
glue("published_final", float(last.value["test_accuracy"]))

# %% tags=["hide-input"]
#| label: fig-gradnets-published
#| fig-cap: >-
#|   The published run (dots), and ours (one faint line per seed, and their mean). Left: accuracy on the test images,
#|   with the highway network of the same source behind its own dots. Middle: mean |W| over the hidden matrices. Right:
#|   the mean absolute gradient of one batch's loss over them. {provenance}`gradnets`
#| fig-alt: >-
#|   Left, the published dots of the gated network lie along the bundle of our curves. In the end they are at its
#|   lower edge, a little below 0.945. Those of the highway network come up from below the axis after more than an
#|   epoch, as ours do, and end above 0.95. In the middle, the mean weight falls from 0.072 to 0.027 within 100
#|   iterations, rises to 0.079 and then falls slowly; dots and curves coincide. Right, on a logarithmic axis, the
#|   gradient rises from below 0.001 to 0.02 within an epoch and then scatters between 0.01 and 0.1, dots and curves
#|   alike.
figure, axes = plt.subplots(1, 3, figsize=(10, 3.4))
highway = study.select(layer="highway")
shown = {"gate opens": (study.cell(), "GradNets.ipynb"), "highway": (highway, "Highway Networks.ipynb")}
for (name, (runs_of, notebook)), style in zip(shown.items(), plots.styles(shown).values(), strict=True):
    for panel, metric in zip(axes, ("test_accuracy", "mean_weight", "mean_gradient"), strict=True):
        points = log[(log.quantity == metric) & log.source.str.endswith(notebook)]
        if len(points):
            epoch = runs_of.curve("iteration").iloc[0] / 1100
            plots.seeds(panel, epoch, runs_of.curve(metric).to_numpy(), name, **style)
            panel.plot(points.iteration / 1100, points.value.astype(float), "o", ms=2, color=style["color"])
axes[0].set(xlabel="epoch", ylabel="test accuracy", ylim=(0.5, 1))
axes[1].set(xlabel="epoch", ylabel="mean |W|")
axes[2].set(xlabel="epoch", ylabel="mean |gradient|", yscale="log", ylim=(5e-4, 0.3))
_ = axes[0].legend(loc="lower right")

# %% tags=["hide-input"]
gradient = log[(log.quantity == "mean_gradient") & (log.iteration > 0)].set_index("iteration").value.astype(float)
measured = study.cell().curve("mean_gradient").set_axis(study.cell().curve("iteration").iloc[0], axis=1)
measured = measured[gradient.index]
glue("gradients_printed", len(gradient))
glue("gradients_within", gradient.between(measured.min(), measured.max()).mean())
glue("gradients_expected", (len(measured) - 1) / (len(measured) + 1))

# %% [markdown]
# The published run looks like one of ours ({numref}`fig-gradnets-published`). Ours end at
# {glue:text}`full_accuracy:.2%`, with a standard deviation of {glue:text}`full_spread:.2%` over {glue:text}`full_seeds`
# seeds, the published one at {glue:text}`published_final:.2%`. Even the mean $|W|$ follows the same course. It falls to
# a third within 100 iterations, since the penalty meets no resistance while the gate is closed. Then it rises again.
#
# The log prints the mean gradient too, of one batch of 50 images every 100 iterations. Such a number is noisy, so that one
# of them says little. But there are {glue:text}`gradients_printed` of them. Of these {glue:text}`gradients_within:.0%` lie
# between the lowest and the highest of our {glue:text}`full_seeds` seeds at the same iteration. If the published run is
# like one more seed of ours, {glue:text}`gradients_expected:.0%` are expected there.
#
# ### What the gate is worth
#
# {cite:t}`zhangbanger2015comparing` tried one network without a gate, which did not learn, and none whose gate stays
# closed. We ran both.
#
# :::{question} gradnets-closed
# Hold the gate closed, $g = 0$, so that the hidden layers hand on what they receive. What does the same program reach?
#
# - [ ] Chance level: 48 of 50 layers do nothing.
#
#   No, {glue:text}`closed_accuracy:.1%`. The first and the last layer still learn, and together they are a network.
# - [ ] Half of what the opened network reaches.
#
#   More: {glue:text}`closed_accuracy:.1%` against {glue:text}`full_accuracy:.1%`.
# - [x] Most of what the opened network reaches.
#
#   Yes, {glue:text}`closed_accuracy:.1%` against {glue:text}`full_accuracy:.1%`. Without this control a reader would credit
#   the method with all of it.
# :::
#
# The whole study follows as a table, and run by run in {numref}`fig-gradnets-cells`. A cell is named by what it changes in
# the published setting.

# %% tags=["hide-input"]
fields = [name for name in study.defaults if name != "log_every"]
changes = [
    ", ".join(f"{f}={row[f]}" for f in fields if pd.notna(row[f]) and row[f] != study.defaults[f])
    for _, row in study.iterrows()
]
by_change = study["test_accuracy"].groupby([change or "published setting" for change in changes])
table = by_change.agg(["count", "mean", "std", "min", "max"]).sort_values("mean", ascending=False)
table.columns = ["seeds", "mean accuracy", "standard deviation", "lowest", "highest"]
table.round(4)

# %% [markdown]
# - **Without a gate** (`gate=1.0`) fifty layers give {glue:text}`open_accuracy:.2%`, the fraction of the most frequent digit.
# - **With the gate closed** (`gate=0.0`) one hidden layer is left, and the same program gives {glue:text}`closed_accuracy:.2%`. The opened layers add
#   {glue:text}`added:.1f` percentage points to that, and no more. Most of the published accuracy is that of the shallow
#   network with which training starts. That network suffers from 49 rounds of dropout, through which only
#   {glue:text}`survivors:.0%` of the units come.
# - **A highway network**, which learns a gate for every unit {cite:p}`srivastava2015training`, is better:
#   {glue:text}`highway_accuracy:.2%`, published {glue:text}`highway_published:.2%` at its best. It has about twice the
#   parameters. It was run with another optimizer, without dropout and penalty, as published. A hundred gated layers
#   without dropout end at {glue:text}`clear_100:.2%`. The difference is {glue:text}`highway_more:+.1f` points, with a 95 %
#   interval from {glue:text}`highway_low:+.1f` to {glue:text}`highway_high:+.1f`. So these runs do not rank the two.
# - **The gReLU** (`layer=grelu`), linear early, does not train at this depth from the published initialisation, as
#   {cite:t}`zhangbanger2015comparing` says: {glue:text}`grelu_accuracy:.2%`. An early form that is linear does not help
#   if fifty such layers in a row shrink the signal. From weights of variance $2/n$ (`initializer=he`) the runs
#   disagree, between {glue:text}`he_worst:.1%` and {glue:text}`he_best:.1%`. From orthogonal matrices, which keep every
#   norm, it trains: {glue:text}`orthogonal_accuracy:.2%`.
# - **Without anything to turn**, a leaky ReLU (`layer=leaky`) from the published weights ends at
#   {glue:text}`leaky_accuracy:.2%`. A plain residual
#   network (`layer=residual`) from the same weights ends anywhere between {glue:text}`residual_worst:.1%` and
#   {glue:text}`residual_best:.1%`.
# - **The annealing schedule** must be slow. Opened over one epoch the network ends at {glue:text}`tau_1:.1%` on average, over
#   five at {glue:text}`tau_5:.1%`, over twenty at {glue:text}`tau_20:.1%`. With twenty, the gate is still at
#   {glue:text}`tau_20_gate:.3f` when the run is last measured.
# - **Depth** costs accuracy: {glue:text}`depth_10:.1%` with ten layers, {glue:text}`depth_100:.1%` with a hundred. With two
#   hundred the runs lie between {glue:text}`depth_200_worst:.1%` and {glue:text}`depth_200_best:.1%`. At these settings,
#   chosen for fifty layers, they do not confirm the paper's 200.
#
# The last point needs a caution. With two hundred layers there are 199 rounds of dropout. While the gate is closed a
# unit must survive all of them, and $0.95^{199}$ is {glue:text}`survivors_200:.0e`: the signal is dead before the gate
# opens. Where no gradient resists it, the penalty drives the weights to zero. In {glue:text}`vanished` of the
# {glue:text}`dropped_runs` runs the mean $|W|$ is below a hundredth of its start when the gate is half open. So depth
# is confounded with dropout and the penalty in what these runs say of two hundred layers.
#
# Without dropout, and with a penalty of 0 or 5 in place of 50, a hundred layers end at {glue:text}`clear_100:.1%`,
# two hundred at {glue:text}`clear_200:.1%` ({glue:text}`clear_runs` runs). The dropout and the penalty changed
# together, so these runs do not say which of them mattered. Two hundred layers then train, but end lower than a
# hundred.

# %% tags=["remove-cell"]
glue("open_accuracy", study.select(gate=1.0)["test_accuracy"].mean())
glue("added", 100 * (ours.mean() - closed.mean()))
glue("survivors", 0.95**49)
glue("survivors_200", 0.95**199)
glue("highway_accuracy", highway["test_accuracy"].mean())
best = log[log.source.str.contains("Highway") & (log.quantity == "best_test_accuracy")]
glue("highway_published", float(best.value.iloc[0]))
means = {
    "grelu_accuracy": {"layer": "grelu", "initializer": "truncated_normal"},
    "orthogonal_accuracy": {"layer": "grelu", "initializer": "orthogonal"},
    "leaky_accuracy": {"layer": "leaky"},
    "depth_10": {"depth": 10, "keep": 0.95},
    "depth_100": {"depth": 100, "keep": 0.95},
} | {f"tau_{tau}": {"tau": tau} for tau in (1, 5, 20)}
for name, fields in means.items():
    glue(name, study.select(**fields)["test_accuracy"].mean())
ranges = {
    "he": {"layer": "grelu", "initializer": "he"},
    "residual": {"layer": "residual"},
    "depth_200": {"depth": 200, "keep": 0.95},
}
for name, fields in ranges.items():
    accuracy = study.select(**fields)["test_accuracy"]
    glue(f"{name}_worst", accuracy.min())
    glue(f"{name}_best", accuracy.max())

# %% tags=["remove-cell"]
glue("tau_20_gate", study.select(tau=20).curve("gate").iloc[:, -1].mean())
clear = study.select(depth=[100, 200], keep=1.0)
glue("clear_runs", len(clear))
for layers, accuracy in clear.groupby("depth")["test_accuracy"].mean().items():
    glue(f"clear_{layers}", accuracy)
assert set(clear["penalty"]) == {0, 5}  # dropout and penalty changed together
hundred, two_hundred = (clear.select(depth=layers)["test_accuracy"] for layers in (100, 200))
assert two_hundred.min() > 0.5 and two_hundred.max() < hundred.min()  # they train, but end lower

dropped = study.select(depth=200, keep=0.95)
half_open = int(np.argmin(np.abs(dropped.curve("gate").iloc[0] - 0.5)))
weight = dropped.curve("mean_weight")
glue("dropped_runs", len(dropped))
glue("vanished", int((weight[half_open] < 0.01 * weight[0]).sum()))

# %% tags=["remove-cell"]
learnt = highway["test_accuracy"]
assert learnt.mean() - ours.mean() > 2 * np.hypot(learnt.sem(), ours.sem())  # better than the published setting
interval = ttest_ind(learnt, hundred, equal_var=False).confidence_interval()
assert interval.low < 0 < interval.high  # but not than a hundred layers
glue("highway_more", 100 * (learnt.mean() - hundred.mean()))
glue("highway_low", 100 * interval.low)
glue("highway_high", 100 * interval.high)
orthogonal = study.select(layer="grelu", initializer="orthogonal")["test_accuracy"]
assert orthogonal.min() > ours.max()  # from orthogonal matrices the gReLU trains

# %% tags=["hide-input"]
#| label: fig-gradnets-cells
#| fig-cap: >-
#|   Every run of the study: accuracy on the test images at its last measurement, one dot per seed. Cells are named by
#|   what they change in the published setting; its annealing schedule takes τ = 10 epochs. {provenance}`gradnets`
#| fig-alt: >-
#|   Rows of dots. From 0.93 to 0.97 stand ten and twenty-five layers, the highway network, the gReLU from orthogonal
#|   matrices, and the published setting, with a schedule of ten or twenty epochs. A schedule of five epochs is just
#|   below them. Without hidden layers all dots are at 0.90. Shorter schedules and a hundred layers lie between 0.5 and
#|   0.9. Residual layers and the gReLU with He's weights spread from 0.11 upwards. Of two hundred layers one run
#|   reaches 0.57, and the others stand at 0.11; without dropout all of a hundred and two hundred layers are above 0.87.
#|   At 0.11 are the leaky ReLU, the gReLU with its published weights, and the network whose gate is open.
names = [re.sub(r"layer=highway.*", "layer=highway (its own optimizer)", change) for change in table.index[::-1]]
figure, axes = plt.subplots(figsize=(7, 0.6 + 0.28 * len(table)))
for place, change in enumerate(table.index[::-1]):
    values = by_change.get_group(change)
    axes.plot(values, np.full(len(values), place), "o", color=plots.COLOURS[1], alpha=0.6)
axes.set_yticks(range(len(table)), names)
_ = axes.set(xlabel="test accuracy", xlim=(0, 1))

# %% [markdown]
# The same runs, to move through: by τ and depth, by gate, layer and initialisation.
#
# ```{explorer} gradnets
# ```
#
# ## What else a gate can turn
#
# Every pair of layers of one output shape fits into {eq}`gradnets-gate`, and so do two optimizers. The library has the
# paper's list; the study `gradnets_variants` tries each of them, in a small network, for 20 epochs on the small
# images of this page: at both ends of the gate, and turning from one to the other. {numref}`fig-gradnets-variants` shows
# its {glue:text}`variants_runs` runs.

# %% tags=["hide-input"]
#| label: fig-gradnets-variants
#| fig-cap: >-
#|   Accuracy on the test images of small networks whose variant of a gradual layer is held early, held late, or
#|   turned over the first half of training; one dot per seed. {provenance}`gradnets_variants`
#| fig-alt: >-
#|   Seven groups of three marks: early, late and gradual. Most lie between 0.92 and 0.98. Lower are average pooling,
#|   near 0.85, below maximum and gradual pooling; one run of rectified layers; and the deep network, scattered around
#|   0.85 whether it is deep from the start or becomes so, while the shallow one is at 0.97.
variants = results.load("gradnets_variants")
glue("variants_runs", len(variants))
kinds, forms = list(dict.fromkeys(variants["variant"])), ["early", "late", "gradual"]
figure, axes = plt.subplots(figsize=(7, 2.4))
for shift, (form, style) in enumerate(plots.styles(forms).items()):
    chosen = variants.select(form=form)
    place = chosen["variant"].map(kinds.index) + 0.2 * (shift - 1)
    axes.plot(place, chosen["test_accuracy"], "osD"[shift], color=style["color"], label=form, alpha=0.7)
axes.set_xticks(range(len(kinds)), [kind.replace("_", "\n") for kind in kinds])
axes.set(ylabel="test accuracy")
_ = axes.legend()

# %% tags=["hide-input"]
turns = {
    "relu": "linear → rectified, ten layers",
    "dropout": "none → half of the units",
    "batch_normalization": "with → without, five layers",
    "depth": "one hidden layer → twenty-one",
    "pooling": "average → maximum",
    "sampling": "probabilities → samples",
    "optimizer": "Adam → gradient descent",
}
scores = variants.pivot_table("test_accuracy", "variant", "form").reindex(kinds, columns=forms)
scores.insert(0, "early → late", scores.index.map(turns))
scores.round(3)

# %% [markdown]
# These networks are too small, and their seeds too few, to rank anything. They show that each variant trains, no more.
#
# ### In your own model
#
# {py:func}`~gradbook.gradnets.gradual` copies a Keras model with a gate at every ReLU, and says what it found. The callback
# {py:class}`~gradbook.gradnets.Progress` opens the gates. {py:func}`~gradbook.gradnets.late_form` takes them out again:

# %%
from gradbook.gradnets import Progress, gradual, late_form

set_seed(seed)
pixels, classes = images.images.shape[1], images.classes
stack = [keras.Input((pixels,)), keras.layers.Dense(32, "relu", name="hidden"), keras.layers.Dense(classes)]
mine = gradual(keras.Sequential(stack), Linear(0.0, 0.5))
mine.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
mine.fit(images.images[:320], images.labels[:320], epochs=2, verbose=0, callbacks=[Progress()])
late_form(mine).get_layer("hidden").activation.__name__

# %% [markdown]
# The early form is the linear network, as in the gReLU. So all that was said of the gReLU and initial weights holds. The
# page on {doc}`your own model <../book/own_model>` has more.
#
# ## What failed, and where we deviate
#
# - **Without dropout, on this page.** With the published dropout after each of 49 layers and a penalty of 50, fifty layers
#   do not train in the few iterations that this page can afford. The penalty drives the weights to zero before the gate
#   lets a gradient in. The page therefore runs without dropout and with a tenth of the penalty. The study keeps both.
# - **The gReLU at depth 50** from the published initialisation, and with the gate fully open: see the study.
# - **Seeds.** The published log is one run without a seed. The published batches and masks cannot be had again, so that
#   only distributions can be compared.
# - **The last measurement** of the published log is at iteration 21,900, and so is ours where a run is measured every 100
#   iterations; other cells are measured every 550, for the last time at 21,450.
# - **Highway networks** do worse at the end of their published log than at their best. We quote their best, and the
#   last value of our runs.
# - **Not attempted**: the paper's experiments on other data, and attention.
#
# ## Exercises
#
# 1. Let the gate jump from 0 to 1 after a fifth of training, `Step(0.2)`. Without a penalty, what is the norm of the gradient of
#    a hidden matrix right after the jump? Predict, then compute.
#
# :::{dropdown} Solution
# At $g = 0$ no hidden matrix has a gradient, so none has moved. The gradient is that of an untrained plain network,
# that is, almost nothing. It is not enough to wait: between the two ends there must be gates at which the hidden layers
# learn.
# :::

# %% tags=["hide-cell"]
f"{np.median(gradients_by_layer(1.0)):.0e}"

# %% [markdown]
# 2. By what number must you multiply $W$, so that a plain ReLU network of this width keeps the norm of its gradient at the
#    start? Give it in place of `None`.

# %%
check_factor = exercise(
    lambda: 1 / np.sqrt(gain),
    too_low="The squared norm must be kept: the factor stands squared in ρ.",
    too_high="ρ holds the variance, which grows with the square of the factor.",
)
check_factor(None)

# %% [markdown]
# The answer makes $n \sigma^2 = 2$, the initialisation of {cite:t}`he2015delving`. A linear network loses no half of its
# components, so $n \sigma^2 = 1$ will do. No single variance keeps the norm at both ends of the gate. But it can be
# enough to keep it at the early one: from orthogonal matrices fifty layers of gReLU train.

# %% [markdown]
# 3. Build the network in Keras with a gate that opens as a cosine. How many gates does it have?
#
# :::{dropdown} Solution
# One, which all layers share; `Progress` finds it in `fit` and advances it from batch to batch.
# :::

# %% tags=["hide-cell"]
model = gradual_mlp(depth=10, width=20, inputs=64, gate=Cosine(0, 0.5))
[weight.path.split("/")[-1] for weight in model.non_trainable_weights]

# %% [markdown]
# ## Take-aways
#
# - A plain layer passes on a fraction $\rho = n \sigma^2 / 2$ of a gradient's squared norm. From the published weights
#   $\rho$ is {glue:text}`gain:.2f`, and fifty layers pass nothing. From weights with $\rho = 1$ they would.
#   Behind a nearly closed gate, $g = 0.01$, more than half of the norm comes through.
# - $y = (1-g)\,\text{early} + g\,\text{late}$ turns any layer into any other of the same shape.
# - Opened slowly, fifty layers train, because their weights move to where gradients pass while gradients still pass.
# - The published numbers can be reproduced, mean weights included. Most of the accuracy is that of the shallow network
#   with which training starts. A highway network, trained without dropout, does better, and cannot be told from a
#   hundred gated layers without dropout.
# - Dropout, normalisation, depth, pooling, noise and the optimizer can be turned by the same gate.

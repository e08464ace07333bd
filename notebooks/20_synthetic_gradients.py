# ---
# jupyter:
#   gradbook:
#     reads: [published/20_synthetic_gradients, results/linear_networks, results/synthetic]
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
# # A gradient before it arrives
#
# :::{card}
# **Papers.** {cite:t}`jaderberg2017decoupled`, explained by {cite:t}`czarnecki2017understanding`.
#
# **Claim.** A small model can predict the gradient that a layer is going to receive, well enough to train on.
# Layers then need not wait for each other. A network whose layers update only now and then still learns.
#
# **Verdict.** On linear networks without hidden layers the claim holds. On deep ones most runs come near the loss of
# backpropagation, and more do where steps become short. On the small images of this page it holds at a price. Predictors that see the
# label come near backpropagation; predictors that do not see it stay further behind. On MNIST backpropagation reaches {glue:text}`full_backpropagation:.1%`, predictors with the
# label ({term}`cDNI`) {glue:text}`full_conditioned:.1%` and predictors without it ({term}`DNI`)
# {glue:text}`full_unconditional:.1%`. The more rarely blocks update there, the lower is the accuracy
# ([at full scale](#at-full-scale); {glue:text}`finished` of {glue:text}`planned` runs). {doc}`The ledger <90_ledger>` has {verdict}`20_synthetic_gradients`.
#
# **Time to read.** 40 minutes. **Know before.** Backpropagation, matrix products, and what Adam does.
#
# **Cost of this page.** {cost}`20_synthetic_gradients`
# :::
#
# **You will see**
#
# - what waits for what in backpropagation, and what no longer waits when gradients are predicted,
# - a predictor that becomes exact, in ten lines of NumPy,
# - one rule with a dial, from pure prediction to backpropagation itself, equal in every bit,
# - five ways to train one network, and how good the predictions are, layer by layer,
# - what batch normalisation changes, and which numbers of a published notebook were no results.

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
dataset = "digits"  # "mnist" for the published network's data
seed = 0  # the first of the seeds
n_seeds = 5
depth = 3  # hidden layers
width = 32  # units of each; 256 is the published width
batch_norm = "training"  # "inference", as in the published notebooks, keeps the first moving averages
batch_size = 16
learning_rate = 3e-3
steps = 1500
copy_steps = 1500

# %%
from gradbook.parameters import check

changed = check(
    globals(),
    {
        "dataset": ("digits", "a dataset of images"),
        "seed": (0, "an integer from 0 up to 1000000000"),
        "n_seeds": (5, "an integer from 1"),
        "depth": (3, "an integer from 1 up to 30"),
        "width": (32, "an integer from 1"),
        "batch_norm": ("training", "one of training, inference"),
        "batch_size": (16, "an integer from 2"),
        "learning_rate": (3e-3, "a number above 0 up to 0.1"),
        "steps": (1500, "an integer from 1"),
        "copy_steps": (1500, "an integer from 100"),
    },
)

# %% tags=["hide-input"]
from functools import partial

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import tensorflow as tf
from scipy.stats import t as student_t

from gradbook import plots, published
from gradbook.exercises import exercise
from gradbook.experiments.synthetic import CONVOLUTIONAL, PUBLISHED, STUDY, Configuration, images
from gradbook.notebook import glue
from gradbook.seeds import generator
from gradbook.studies import results
from gradbook.synthetic import MODES, Data, Settings, linear, locking, modes, propagate, recurrent, similarity, train
from gradbook.synthetic.networks import classifier

plots.use_style()
plt.rcParams["figure.dpi"] = 85  # many figures, small page
styles = plots.styles(MODES)
seeds = range(seed, seed + n_seeds)

# %% [markdown]
# ## What waits for what
#
# Cut a network into blocks, and put each block on a machine of its own. In backpropagation a block waits three times.
# It waits for the output of the block below. It waits for the gradient from the block above. And it waits with its next
# batch until its own update is done. A block that waits is called *locked*.
#
# A {term}`synthetic gradient` ends the second wait. At each cut stands a small model, the *predictor*. It looks at the
# output of the block below, and it predicts at once which gradient will come. The block updates with the prediction and
# goes on. A *synthetic input* ends the first wait in the same way.
#
# :::{question} synthetic-locking
# Four blocks work through three batches. A forward pass and an update take one unit of time each. Backpropagation needs
# {glue:text}`time_locked` units. How many does it take when gradients are predicted?
#
# - [ ] 12, one half.
#
#   More is saved. A block updates right after its forward pass, so the next batch follows two units behind.
# - [x] 9.
#
#   Yes: {glue:text}`time_backward_unlocked`. The last block starts after three units, and then it has three forward
#   passes and three updates.
# - [ ] 6, no block ever waits.
#
#   That is the time when inputs are predicted too ({glue:text}`time_both_unlocked`). With predicted gradients alone, a
#   block still waits for the output of the block below.
# :::

# %% tags=["hide-input"]
#| label: fig-synthetic-locking
#| fig-cap: >-
#|   Four blocks work through three batches (numbers). Empty boxes are forward passes, filled ones updates. Top:
#|   backpropagation. Middle: with synthetic gradients. Bottom: with synthetic inputs too.
#| fig-alt: >-
#|   Three timetables. Under backpropagation the bars form a staircase up and down for each batch, mostly with one block
#|   at work and the others idle. With synthetic gradients each block updates right after its forward pass, and the
#|   batches follow each other closely as slanted bands. With synthetic inputs too all four blocks work all the time and
#|   finish together.
figure, axes = plt.subplots(3, 1, sharex=True, figsize=(7, 5.4))
for panel, kind in zip(axes, ("locked", "backward unlocked", "both unlocked"), strict=True):
    tasks = locking.schedule(blocks=4, batches=3, locking=kind)
    locking.draw(panel, tasks)
    panel.set(title=kind, xlabel="" if panel is not axes[-1] else panel.get_xlabel())
    glue(f"time_{kind.replace(' ', '_')}", max(task.start + 1 for task in tasks))

# %% [markdown]
# {numref}`fig-synthetic-locking` shows all three. In the figure below you can add blocks:
#
# :::{touch} timetable
# Add blocks, and switch the predictions on and off. The time of backpropagation grows with blocks times batches. With
# predicted gradients it grows with blocks plus batches.
# :::
#
# Nothing on this page runs on four machines. What one machine can show is whether the network still learns.
#
# ## A predictor that can be exact
#
# Let the block above the cut be one linear layer $W$, and let the loss be
# $\mathcal{L} = \tfrac12 \lVert h W - y \rVert^2$. The gradient that comes down to $h$ is
#
# $$
# \frac{\partial \mathcal{L}}{\partial h} = (h W - y) W^\top = h \, \underbrace{W W^\top}_{A} + y \, \underbrace{(-W^\top)}_{B}.
# $$ (synthetic-closed-form)
#
# This is linear in $h$ and in the label $y$. So let a linear model predict it: $\hat g = h A + y B$. The predictor does
# not know $W$. It compares its prediction with the true gradient, which arrives later, and it descends its own squared
# error. Here $W$ is fixed and only the predictor learns:

# %%
random = generator(seed, "idea")
h, y, W = random.normal(size=(64, 3)), random.normal(size=(64, 2)), random.normal(size=(3, 2))
A, B = np.zeros((3, 3)), np.zeros((2, 3))
for _ in range(2000):
    predicted = h @ A + y @ B  # at once
    true = (h @ W - y) @ W.T  # later, from above
    error = predicted - true
    A -= 0.3 * h.T @ error / len(h)
    B -= 0.3 * y.T @ error / len(h)

# %% [markdown]
# Has it found {eq}`synthetic-closed-form`? The library's {py:func}`~gradbook.synthetic.linear.exact_predictor` gives the
# matrices $A$ and $B$ of the equation:

# %%
exact = linear.exact_predictor(W)
assert np.allclose(A, exact[0]) and np.allclose(B, exact[1])

# %% [markdown]
# The library trains such a predictor with {py:func}`~gradbook.synthetic.train`, where the network is a
# {py:class}`~gradbook.synthetic.Chain`: a Keras model cut into blocks. With a learning rate of zero the blocks stand
# still, as above. A second predictor does not see the label.
#
# :::{question} synthetic-label
# How good can a linear predictor become that sees $h$ but not $y$?
#
# - [ ] Exact too, it only learns more slowly.
#
#   No. By {eq}`synthetic-closed-form` the gradient contains $y B$. Two samples with equal $h$ and different labels have
#   different gradients, and this predictor must say the same for both.
# - [x] It points roughly in the right direction, and stays there.
#
#   Yes. It learns the part that follows from $h$. Its cosine with the true gradient ends at
#   {glue:text}`unconditional_cosine:.2f`.
# - [ ] Useless: its cosine stays near 0.
#
#   Not quite. The part $h A$ does not need the label. The cosine ends at {glue:text}`unconditional_cosine:.2f`.
# :::

# %%
inputs, targets = linear.teacher(64, [4, 2], noise=0.5, random=generator(seed, "teacher"))
frozen = {"learning_rate": 0.0, "predictor_learning_rate": 0.3, "divide_by_loss": False, "drops": ()}
conditioned, unconditional = train(
    partial(linear.deep_linear, [4, 3, 2]),
    Data(inputs, targets, inputs, targets),
    {"with the label": Settings(**frozen), "without": Settings(conditional=False, **frozen)},
    seeds=[seed],
    steps=2000,
    batch_size=len(inputs),
    every=10,
)

# %% tags=["hide-input"]
#| label: fig-synthetic-closed-form
#| fig-cap: >-
#|   Cosine between the predicted gradient and the true one while a linear predictor learns, with the label and without.
#| fig-alt: >-
#|   With the label the cosine rises within a hundred steps to one and stays there. Without it the cosine comes to rest
#|   clearly below one.
figure, axes = plt.subplots()
for run, style in zip((conditioned, unconditional), (styles["cDNI"], styles["DNI"]), strict=True):
    axes.plot(run.curves["step"], run.curves["cosine_1"], label=run.name, **style)
axes.set(xlabel="updates of the predictor", ylabel="cosine with the true gradient", xscale="log", ylim=(0, 1.05))
axes.legend()
glue("unconditional_cosine", unconditional.curves["cosine_1"][-1])

# %% [markdown]
# Without the label the cosine in {numref}`fig-synthetic-closed-form` stays at {glue:text}`unconditional_cosine:.2f`. With
# the label the library's predictor becomes exact as well. The largest difference between its kernel and $A$ and $B$ of
# {eq}`synthetic-closed-form`:

# %%
readout = conditioned.chain.blocks[1].get_weights()[0]
kernel, bias = conditioned.chain.interfaces[0].gradient_predictor.get_weights()
assert conditioned.curves["cosine_1"][-1] > 0.999
round(float(np.abs(kernel - np.concatenate(linear.exact_predictor(readout))).max()), 4)

# %% [markdown]
# ## One rule with a dial
#
# Now more blocks, $0, \dots, K - 1$, numbered from the input. Interface $k$ lies between block $k$ and block $k + 1$; in
# figures blocks and interfaces count from 1.
# Through it $h_k$ passes upwards and a message $\delta_k$ downwards: the gradient that block $k$ receives. Write
# $\hat g_k$ for the predicted gradient, and $J_{k+1}^\top$ for the vector–Jacobian product of block $k + 1$, which takes
# a gradient at its output to the gradient at its input. Then
#
# $$
# \delta_k = \lambda \, J_{k+1}^\top \delta_{k+1} + (1 - \lambda) \, \hat g_k(h_k, y) \qquad (k < K - 1),
# $$ (synthetic-messages)
#
# and the last block receives the true gradient of the loss at its output, $\delta_{K-1}$.
# At $\lambda = 0$ every other block receives predictions only. At $\lambda = 1$ this is backpropagation. In between it is what
# {cite:t}`jaderberg2017decoupled` call BP($\lambda$).
#
# What does the predictor learn? Its target is $J_{k+1}^\top \delta_{k+1}$. That may come from a prediction itself. So
# predictions learn from predictions, as in temporal-difference learning, where a guess learns from a later guess. Only
# the predictor next to the loss learns from the loss.
#
# The smallest case has three blocks of one number each, and a Jacobian is a number:


# %%
def messages(jacobians, predictions, mixing):
    """What the blocks receive, and what the predictors learn, from the loss down to the first block."""
    delta, received, learnt = 1.0, [], []
    for jacobian, predicted in zip(jacobians[::-1], predictions[::-1], strict=True):
        learnt.insert(0, jacobian * delta)
        delta = mixing * learnt[0] + (1 - mixing) * predicted
        received.insert(0, delta)
    return received, learnt


jacobians = [2.0, 3.0]  # of block 1, and of block 2 together with the loss
predictions = [1.0, 5.0]  # at interface 0, and at interface 1

# %% [markdown]
# :::{question} synthetic-dial
# With these numbers, what does block 0 receive at $\lambda = \tfrac12$?
#
# - [ ] 6, the true gradient $2 \cdot 3$.
#
#   Only at $\lambda = 1$. Here half of each message is a prediction.
# - [ ] 3.5, half of the true gradient 6 and half of the prediction 1.
#
#   Block 1 does not send the true gradient down. The message that it received was mixed already.
# - [x] 4.5.
#
#   Yes. Block 1 receives $\tfrac12 \cdot 3 + \tfrac12 \cdot 5 = 4$ and sends $2 \cdot 4 = 8$ down. Half of 8 and half of
#   the prediction 1 is {glue:text}`half_mixed`.
# :::
#
# The library's {py:func}`~gradbook.synthetic.propagate` does the same with tensors and with any block:

# %%
vjps = [None, lambda delta: jacobians[0] * delta, lambda delta: jacobians[1] * delta]
for mixing in (0.0, 0.5, 1.0):
    received, learnt = messages(jacobians, predictions, mixing)
    sent = propagate([tf.constant(g) for g in predictions], vjps, mixing)
    assert np.allclose(sent.received, received) and np.allclose(sent.propagated, learnt)

# %% tags=["remove-cell"]
glue("half_mixed", messages(jacobians, predictions, 0.5)[0][0])

# %% [markdown]
# A block then updates with $\delta_k$ as if it were the gradient. It reads nothing of the other blocks
# ({py:meth}`Step.update <gradbook.synthetic.Step.update>`).
#
# In a Keras model of your own this is {py:class}`~gradbook.synthetic.Decoupled`, with `compile` and `fit`; see
# {doc}`your own model <../book/own_model>`.
#
# ## Checks that can fail
#
# Two identities, on the network of this page. With $\lambda = 1$ the messages must be the true gradients, bit by bit,
# whatever the predictors predict. And the weights must come out the same in whatever order the blocks update.

# %%
from gradbook.synthetic import Step

data, _ = images(dataset, flat=True)
batch_size = min(batch_size, len(data.x_train))
build = partial(
    classifier, [data.x_train.shape[1]], data.y_train.shape[1], depth=depth, width=width, batch_norm=batch_norm
)
chain = build()
batch = [tf.constant(part[:batch_size]) for part in (data.x_train, data.y_train)]
state = chain.state()
state.gradient_predictors[0].weights[0] += 1.0  # a predictor of nonsense

step = Step(chain, Settings(mixing=1.0).tensors())
passes = step.forward(state, *batch)
sent = step.messages(passes)
assert all(np.array_equal(one, true) for one, true in zip(sent.received, sent.true, strict=True))


# %%
def updated(order):
    """All weights after the blocks have updated in that order."""
    new = state
    for k in order:
        new = step.update(new, k, passes, sent)
    return [w for learner in new.blocks for w in learner.weights]


up, down = updated(range(depth + 1)), updated(reversed(range(depth + 1)))
assert all(np.array_equal(a, b) for a, b in zip(up, down, strict=True))

# %% [markdown]
# ## Deep, linear, and proved
#
# For linear and deep linear networks {cite:t}`czarnecki2017understanding` prove that learning on predicted gradients
# converges. Least squares gives the best loss that any linear network can have. {numref}`fig-synthetic-linear` shows how
# far above it the loss is.

# %%
inputs, targets = linear.teacher(64, [4, 2], noise=0.3, random=generator(seed, "deep"))
pace = {"predictor_learning_rate": 0.1, "divide_by_loss": False, "learning_rate": 1e-3, "drops": ()}
deep = train(
    partial(linear.deep_linear, [4, 4, 4, 2]),
    Data(inputs, targets, inputs, targets),
    {"backpropagation": Settings(mixing=1.0, **pace), "cDNI": Settings(**pace)},
    seeds=seeds,
    steps=4000,
    batch_size=len(inputs),
    every=100,
)
best = linear.least_squares(inputs, targets)

# %% tags=["hide-input"]
#| label: fig-synthetic-linear
#| fig-cap: >-
#|   A linear network of three layers: loss above the least-squares optimum, as a fraction of the optimum. Every seed,
#|   and their mean.
#| fig-alt: >-
#|   On a logarithmic axis backpropagation reaches the limit of the arithmetic within a few hundred steps. On predicted
#|   gradients every seed falls by orders of magnitude too, but takes thousands of steps, some many more than others.
figure, axes = plt.subplots()
for name in ("backpropagation", "cDNI"):
    runs = [run.curves for run in deep if run.name == name]
    excess = np.array([run["test_loss"] for run in runs]) / best - 1
    plots.seeds(axes, np.array(runs[0]["step"]), np.maximum(excess, 1e-7), name, **styles[name])
axes.set(xlabel="steps", ylabel="excess loss / optimum", yscale="log")
_ = axes.legend()

# %% [markdown]
# ### Another loss, other labels
#
# The gradient of the squared loss is linear in what the predictor sees; that of the logistic loss is not. The study
# `linear_networks` trains on both with Adam, on four kinds of labels: by the side of a plane, the same with one in ten
# flipped, random, and exclusive or. How many runs end less than {glue:text}`linear_margin` above the loss that
# backpropagation reaches from the same weights?

# %% tags=["hide-input"]
margin, where = 0.01, ["schedule", "inputs", "hidden_layers", "loss"]
linear_runs = results.load("linear_networks")
ends = linear_runs.pivot_table("train_loss", [*where, "labels", "seed"], "mode")
above = ends["cDNI"] - ends["backpropagation"]
near = (above < margin).groupby(where)
table = pd.DataFrame({"runs": near.count(), "near": near.sum(), "largest excess": above.groupby(where).max()})
constant, dropped = table.loc["constant"], table.loc["drops"]
glue("linear_margin", margin)
for name, rows in {"shallow": constant.xs(0, level=1), "wide": constant.loc[(100, 10)], "dropped": dropped}.items():
    glue(f"linear_{name}", int(rows.near.sum()))
    glue(f"linear_{name}_runs", int(rows.runs.sum()))
shallow, most = table.xs(0, level="hidden_layers"), table.near > table.runs / 2
assert (shallow.near == shallow.runs).all() and most.all()
table.reset_index().style.hide().format(precision=4)

# %% tags=["remove-cell"]
jump, wide = 5 * margin, linear_runs.select(inputs=100, hidden_layers=10, mode="cDNI")
rises = wide.curve("train_loss").diff(axis=1) > jump  # from one of a hundred measurements to the next
steady, falling = (rises[wide["schedule"] == schedule] for schedule in ("constant", "drops"))
left = (wide["train_loss"] > margin)[falling.index]
same = (above.loc["drops"] < margin)[lambda found: found.index.get_level_values("seed") < 3]
assert not falling.iloc[:, 80:].any(axis=None)  # the rate drops after 60 and after 80 of the measurements
assert left.sum() == (dropped.runs - dropped.near).sum() and falling[left].iloc[:, :60].any(axis=1).all()
assert len(same) == constant.loc[(100, 10)].runs.sum() and same.sum() > constant.loc[(100, 10)].near.sum()
glue("linear_jump", jump)
glue("linear_late", int(steady.iloc[:, 80:].any(axis=1).sum()))
glue("linear_between", int(falling.iloc[:, 60:80].any(axis=1).sum()))
glue("linear_left", int(left.sum()))
glue("linear_same", int(same.sum()))

# %% [markdown]
# Without hidden layers {glue:text}`linear_shallow` of {glue:text}`linear_shallow_runs` runs end there, on either loss.
# With ten hidden layers of a hundred units and a constant rate {glue:text}`linear_wide` of {glue:text}`linear_wide_runs`
# do. The others come near zero too, and then the loss jumps up. Call it a jump if the loss rises by more than
# {glue:text}`linear_jump` from one of a hundred measurements to the next. In the last fifth of the steps the loss jumps
# in {glue:text}`linear_late` of the {glue:text}`linear_wide_runs` runs.
#
# Adam divides by the size of recent gradients. So near the optimum its steps are as long as ever, and a small error of
# the predictor is a whole step. If that is the reason, shorter steps must end the jumps. So these networks were trained
# once more, from ten seeds in place of three. This time the rate drops to a tenth after three fifths of the steps, and
# again after four. Then {glue:text}`linear_dropped` of {glue:text}`linear_dropped_runs` runs end near backpropagation.
# From the three seeds of before, {glue:text}`linear_same` of {glue:text}`linear_wide_runs` do.
#
# Between the two drops the loss still jumps in {glue:text}`linear_between` runs. In the last fifth none of them jumps.
# The {glue:text}`linear_left` runs that end higher had jumped while the rate was high, and did not come back. So the
# jumps need long steps. The proof may well assume short ones; we have not read its conditions.
#
# ## Five ways to train one network
#
# Now a network that is not linear: {glue:text}`depth` hidden layers with {term}`batch normalisation` and ReLU, cut after
# each of them. The images are those of {glue:text}`dataset_name`. Five training settings, each from {glue:text}`n_seeds`
# {term}`seeds <seed>`:
#
# - *backpropagation*: $\lambda = 1$.
# - *no backpropagation*: predictors never learn. Their kernels start at zero and stay there. So every block but the last
#   receives zeros and keeps its random weights.
# - *DNI*, decoupled neural interfaces: the predictor sees $h$ only.
# - *cDNI*: the predictor sees the label, too.
# - *cDNI unlocked*: each block updates with probability {glue:text}`unlocked_probability`, drawn anew for every block and
#   step. Here the word means such random updates only: no block has to keep pace with another.
#
# As in the published notebooks, a predictor's squared error is divided by the network's own loss. Above,
# `divide_by_loss=False` switched this off. From here on, the copy task and the runs at full scale included, it is on.
#
# :::{question} synthetic-order
# Without backpropagation the first layers stay random, and only the last one learns. What accuracy does that give?
#
# - [ ] About {glue:text}`chance:.0%`, the chance level.
#
#   No. A trained last layer on top of random features is much better than chance: it reaches
#   {glue:text}`modes_none:.0%`.
# - [x] Far above chance, and far below DNI.
#
#   Yes: {glue:text}`modes_none:.0%`, and DNI has {glue:text}`modes_unconditional:.0%`. What predictors add has to be
#   measured from this level, not from chance.
# - [ ] Nearly that of cDNI.
#
#   No. It reaches {glue:text}`modes_none:.0%`, and cDNI {glue:text}`modes_conditioned:.0%`. The first layers must learn.
# :::

# %%
changed.note()
settings = modes(learning_rate=learning_rate)
runs = train(build, data, settings, seeds=seeds, steps=steps, batch_size=batch_size, every=max(1, steps // 20))

# %% tags=["remove-cell"]
curves = {mode: [run.curves for run in runs if run.name == mode] for mode in MODES}
final = pd.DataFrame({mode: [run["test_accuracy"][-1] for run in curves[mode]] for mode in MODES})
time = np.array(curves["cDNI"][0]["step"])
glue("depth", depth)
glue("dataset_name", dataset)
glue("first_drop", round(100 * settings["cDNI"].drops[0]))
glue("n_seeds", n_seeds)
glue("unlocked_probability", settings["cDNI unlocked"].update_probability)
glue("chance", data.y_test.mean(axis=0).max())
for name, mode in {"none": "no backpropagation", "unconditional": "DNI", "conditioned": "cDNI"}.items():
    glue(f"modes_{name}", final[mode].mean())

# %% tags=["hide-input"]
#| label: fig-synthetic-modes
#| fig-cap: >-
#|   Test accuracy on the images of this page, every seed and the mean.
#| fig-alt: >-
#|   Backpropagation rises fastest and highest. cDNI follows closely below, DNI comes to rest clearly lower, and
#|   unlocked cDNI rises late. Without backpropagation accuracy is above unlocked cDNI at first, and ends far below
#|   all others.
figure, axes = plt.subplots()
for mode in MODES:
    plots.seeds(axes, time, np.array([run["test_accuracy"] for run in curves[mode]]), mode, **styles[mode])
axes.set(xlabel="steps", ylabel="test accuracy", ylim=(0, 1))
_ = axes.legend(loc="lower right")

# %% tags=["hide-input"]
final.agg(["mean", "std", "min", "max"]).T.round(3)

# %% [markdown]
# In {numref}`fig-synthetic-modes` and the table cDNI comes second, after backpropagation. To see what a predictor adds,
# compare it with *no backpropagation*: random layers below a trained last layer do better than one might think.
#
# ### How good are the predictions?
#
# At every step the library compares each prediction with the gradient that backpropagation would have sent.
#
# :::{question} synthetic-truth
# Which interface has the best predictions?
#
# - [ ] The first, next to the input: its features change least.
#
#   No. Its predictor learns from the prediction above it, and that one learns from the next. The errors add up.
# - [x] The last, next to the loss.
#
#   Yes. Only this predictor learns from the true gradient.
# - [ ] All alike: each has its own linear model.
#
#   The models are alike, but their targets are not. Only the last one has a target without error.
# :::

# %% tags=["hide-input"]
#| label: fig-synthetic-agreement
#| fig-cap: >-
#|   cDNI: cosine of synthetic and true gradient (left) and ratio of their norms (right), by interface, 1 nearest to the
#|   input. Means over the steps between two points; every seed, and the mean.
#| fig-alt: >-
#|   Left, the cosines are well below one, highest at the interface next to the loss; they sink in the first half and
#|   rise again when the learning rates fall. Right, synthetic gradients grow to several times the norm of the true
#|   ones, and come back to about their norm or less when the rates fall.
figure, axes = plt.subplots(1, 2)
lines = [{"color": c, "linestyle": d} for c, d in zip(plots.COLOURS, plots.DASHES, strict=True)]
for panel, name in zip(axes, ("cosine", "norm_ratio"), strict=True):
    for k in range(1, depth + 1):
        values = np.array([run[f"{name}_{k}"] for run in curves["cDNI"]])
        plots.seeds(panel, time, values, f"interface {k}", **lines[k % len(lines)])
    panel.set(xlabel="steps", ylabel={"cosine": "cosine", "norm_ratio": "norm / true norm"}[name])
if axes[1].dataLim.max[1] > 0:
    axes[1].set(yscale="log")
_ = axes[0].legend()

# %% [markdown]
# The predictions in {numref}`fig-synthetic-agreement` are far from exact, and still the network learns from them. A step
# that goes only roughly downhill still goes downhill. A second effect is in the curves: the network moves, and the
# predictors run after it. When the learning rates fall to a tenth, after {glue:text}`first_drop` % of the steps, the
# predictors catch up.
#
# ### What batch normalisation changes
#
# Both published notebooks, {cite:t}`nitarshan2017decoupled` and {cite:t}`anonymous2018synthetic`, called batch normalisation without its training flag. It then ran in inference mode: it used
# its first moving averages, mean 0 and variance 1, and these never changed. Here `batch_norm="inference"` does the same.
# By default this page and the ledger's runs use the statistics of each batch, as is usual.
#
# :::{question} synthetic-normalisation
# How much does this choice matter for cDNI?
#
# - [ ] Hardly at all: scale and shift are learnt in both.
#
#   For backpropagation that is nearly true: {glue:text}`inference_backpropagation:+.1f` points. For cDNI it is not:
#   {glue:text}`inference_conditioned:+.1f` points.
# - [x] Much more for cDNI than for backpropagation.
#
#   Yes: {glue:text}`inference_conditioned:+.1f` points, against {glue:text}`inference_backpropagation:+.1f` for
#   backpropagation. A likely reason: without normalisation the features that a predictor sees change in scale while the
#   network learns.
# - [ ] It matters for both alike.
#
#   No: {glue:text}`inference_conditioned:+.1f` points for cDNI, {glue:text}`inference_backpropagation:+.1f` for
#   backpropagation.
# :::

# %%
other = {"training": "inference", "inference": "training"}[batch_norm]
compared = {mode: settings[mode] for mode in ("backpropagation", "cDNI")}
options = {"seeds": list(seeds)[:3], "steps": steps, "batch_size": batch_size, "every": max(1, steps // 20)}
others = train(partial(build, batch_norm=other), data, compared, **options)

# %% tags=["hide-input"]
found = {(mode, batch_norm): final[mode][:3].to_numpy() for mode in compared}
found |= {
    (mode, other): np.array([run.curves["test_accuracy"][-1] for run in others if run.name == mode])
    for mode in compared
}
for name, mode in {"backpropagation": "backpropagation", "conditioned": "cDNI"}.items():
    glue(f"inference_{name}", 100 * (found[mode, "inference"].mean() - found[mode, "training"].mean()))
glue("inference_least", found["cDNI", "inference"].min())
glue("inference_most", found["cDNI", "inference"].max())
table = pd.DataFrame({key: [values.mean(), values.min(), values.max()] for key, values in sorted(found.items())}).T
table.set_axis(["mean", "lowest", "highest"], axis=1).rename_axis(["", "batch_norm"]).round(3)

# %% [markdown]
# The table has the first three seeds. In inference mode the test accuracy of cDNI changes by
# {glue:text}`inference_conditioned:+.1f` points and that of backpropagation by
# {glue:text}`inference_backpropagation:+.1f`. The runs of cDNI end between {glue:text}`inference_least:.0%` and
# {glue:text}`inference_most:.0%`, so the size of its change is uncertain. A number of this page can be compared with a
# published one only if both have the same mode.
#
# ### The same function, other representations
#
# Two networks that answer alike may still represent images in different ways. A *representational similarity matrix*
# holds, for one layer, how similar the features of any two images are. Here are the matrices of test images, sorted by
# class.

# %% tags=["hide-input"]
#| label: fig-synthetic-similarity
#| fig-cap: >-
#|   Similarity (correlation of features) of test images sorted by class, by hidden layer, for one seed. Top:
#|   backpropagation. Bottom: cDNI.
#| fig-alt: >-
#|   Two rows of square matrices with a pattern of ten blocks. In the top row the blocks on the diagonal sharpen
#|   gradually from the first layer to the last. In the bottom row the blocks are sharper in the last layers, and darker
#|   than those above them: there, images of one class look all alike.
order = np.argsort(data.y_test.argmax(1), kind="stable")[:: max(1, len(data.y_test) // 50)]
figure, axes = plt.subplots(2, depth, figsize=(7, 4.8), dpi=60, squeeze=False)
matrices = {}
for row, mode in zip(axes, ("backpropagation", "cDNI"), strict=True):
    chain = next(run.chain for run in runs if run.name == mode)
    for k, features in enumerate(chain.outputs(chain.state(), data.x_test[order])[:-1]):
        matrices[mode, k] = similarity.similarity_matrix(features.numpy())
        row[k].imshow(matrices[mode, k].round(1), vmin=-1, vmax=1, cmap="RdBu", interpolation="nearest")
        row[k].set(title=f"{mode}, layer {k + 1}", xticks=[], yticks=[])
        row[k].grid(False)

# %% [markdown]
# How similar are the two matrices of each layer in {numref}`fig-synthetic-similarity`? This is the correlation of their
# entries:

# %% tags=["hide-input"]
pairs = [(matrices["backpropagation", k], matrices["cDNI", k]) for k in range(depth)]
pd.Series({f"layer {k}": similarity.correlation(*pair) for k, pair in enumerate(pairs, 1)}).round(2)

# %% [markdown]
# {cite:t}`czarnecki2017understanding` found drastic differences. In this small network the matrices are similar. In
# this one run they differ in sharpness: in the later layers of cDNI, images of one class look more alike.
#
# ## Beyond a window of time
#
# A recurrent network is a chain as well. Its blocks are windows of time, and they share their weights. Truncated
# backpropagation cuts the chain, as if nothing followed after the window. A synthetic gradient predicts what follows.
#
# The task: read some random bits, then repeat them. Backpropagation goes through {glue:text}`window` steps at a time: the
# reading is in one window and the repeating in the next. The rule {eq}`synthetic-messages` runs with windows for blocks.
#
# :::{question} synthetic-copy
# Truncated backpropagation never connects reading with repeating. What does a synthetic gradient at the end of the first
# window change?
#
# - [ ] Nothing: the window still ends there.
#
#   The gradient of what follows is predicted at that end, so the first window does learn what to remember.
# - [ ] It learns as fast as backpropagation through the whole sequence.
#
#   It gets far, but later. Its gradient is only as good as its predictor, and that has to be learnt first.
# - [x] The loss falls far below that of truncated backpropagation, but late.
#
#   Yes. At the end it is {glue:text}`copy_extended:.2f` nats per bit, truncated backpropagation has
#   {glue:text}`copy_truncated:.2f` and full backpropagation {glue:text}`copy_full:.3f`.
# :::

# %%
changed.note()
length, window = 4, 4
pace = {"learning_rate": 3e-3, "predictor_learning_rate": 3e-4}
memory = {
    "full": Settings(mixing=1.0, **pace),
    "truncated": Settings(**pace | {"predictor_learning_rate": 0.0}),
    "truncated, extended": Settings(**pace),
}
losses = recurrent.train_copy(memory, seeds=list(seeds)[:3], length=length, window=window, steps=copy_steps)

# %% tags=["hide-input"]
#| label: fig-synthetic-copy
#| fig-cap: >-
#|   Repeating four pairs of bits. Loss by training step for backpropagation through the whole sequence, through windows
#|   of half of it, and the same extended by a synthetic gradient. Every seed, and the mean; the chance level is log 2
#|   (grey).
#| fig-alt: >-
#|   Truncated backpropagation stays above half of the loss at chance level. Extended by a synthetic gradient the loss
#|   keeps falling, to a small part of that, but takes more than twice as many steps as full backpropagation.
figure, axes = plt.subplots()
points = np.arange(1, next(iter(losses.values())).shape[1] + 1) * 100
for (name, values), style in zip(losses.items(), plots.styles(losses).values(), strict=True):
    plots.seeds(axes, points, values, name, **style)
    glue(f"copy_{name.split(', ')[-1]}", values[:, -1].mean())
axes.axhline(np.log(2), color="grey", linewidth=0.8)
axes.set(xlabel="steps", ylabel="loss (nats per bit)", ylim=(0, 0.75))
axes.legend()
glue("window", window)

# %% [markdown]
# In {numref}`fig-synthetic-copy` the prediction bridges what truncation cuts off. There is one cut, so the predictor learns
# from the true gradient. But it learns at a tenth of the network's rate, and follows a network that moves. Either may be
# why it is slow; we did not measure it.
#
# Truncated backpropagation ends below the chance level all the same. A likely reason: an untrained state keeps some of
# the bits, and the second window learns to read them.
#
# ## At full scale
#
# The network of {cite:t}`nitarshan2017decoupled`, 784-256-256-256-10, on MNIST. The numbers come from the study
# `synthetic`; nothing of it runs on this page. Of its {glue:text}`planned` runs {glue:text}`finished` are finished. The
# end of the section lists the others.

# %% tags=["hide-input"]
full = results.load("synthetic")
glue("planned", len(STUDY.runs))
glue("finished", len(full))
glue("full_steps", f"{Configuration().steps:,}")

five = {mode: {"mode": mode} for mode in MODES[:4]} | {MODES[4]: {"update_probability": 0.2}}
reference = published.load("20_synthetic_gradients")
reference = reference[reference.source.str.startswith("nitarshan")].set_index("quantity").value
glue("published_steps", f"{int(reference['steps']):,}")

# %% tags=["hide-input"]
#| label: fig-synthetic-mnist
#| fig-cap: >-
#|   Test accuracy on MNIST, every seed and the mean, by mode. Grey lines: what a published notebook reached after
#|   500,000 steps with batches of 250 and with batch normalisation in inference mode, by backpropagation (solid) and
#|   with unlocked synthetic gradients (dashed). {provenance}`synthetic`
#| fig-alt: >-
#|   Backpropagation ends at the top, a little above the two grey lines near 97 percent. cDNI follows three points
#|   below, DNI another three below that, cDNI unlocked at a fifth next to DNI, and no backpropagation far below at 84
#|   percent. The seeds of a mode lie on one another, and DNI and cDNI unlocked too near to each other to be ranked.
figure, axes = plt.subplots()
for mode, fields in five.items():
    cell = full.cell(**fields)
    plots.seeds(axes, cell.curve("step").iloc[0], cell.curve("test_accuracy").to_numpy(), mode, **styles[mode])
for value, dashes in zip(reference["test_accuracy"].astype(float), ("-", "--"), strict=True):
    axes.axhline(value / 100, color="grey", linewidth=0.8, linestyle=dashes)
axes.set(xlabel="steps", ylabel="test accuracy", ylim=(0.6, 1))
_ = axes.legend()


# %% tags=["hide-input"]
def summary(cells):
    """Mean and spread of the test accuracy of cells, and how many seeds there are."""
    accuracy = {name: full.cell(**fields)["test_accuracy"] for name, fields in cells.items()}
    table = pd.DataFrame({name: values.agg(["mean", "std", "count"]) for name, values in accuracy.items()}).T
    return table.rename(columns={"count": "seeds"}).astype({"seeds": int})


table = summary(five)
for name, mode in {"backpropagation": "backpropagation", "conditioned": "cDNI", "unconditional": "DNI"}.items():
    glue(f"full_{name}", table["mean"][mode])
glue("full_none", table["mean"]["no backpropagation"])
assert table["mean"]["backpropagation"] > table["mean"]["cDNI"] > table["mean"]["DNI"]
table.round(4)

# %% [markdown]
# {numref}`fig-synthetic-mnist` and the table show the experiment without the mistakes listed below. Our runs have
# {glue:text}`full_steps` steps, the published ones {glue:text}`published_steps`, with smaller learning rates, larger
# batches and batch normalisation in inference mode. So the two can stand side by side, but they are not the same
# experiment.
#
# ### As long, and as published
#
# Is the distance of cDNI unlocked from the dashed line a matter of length? More arms answer. One takes as many steps as
# the published runs, and is like ours otherwise. Another is the published experiment: batches of
# {glue:text}`published_batch`, a tenth of our learning rate, its $\varepsilon$ of Adam (the small number in the
# denominator), and batch normalisation in inference mode.
#
# And its blocks of cDNI update **in turn**, from the first to the last, each on a forward pass of its own. So each block
# meets what the blocks below it have just become. Elsewhere on this page all blocks update **at once**, from one pass. So
# the last arm is as published, but at once.

# %% tags=["hide-input"]
as_published = {field: value for field, (value,) in PUBLISHED.items()}
two = {"backpropagation": {"mode": "backpropagation"}, "cDNI unlocked": {"update_probability": 0.2}}
arms = {"short": {}, "long": {"steps": int(reference["steps"])}, "same": as_published, "once": as_published}
fields = {(arm, mode): own | two[mode] for arm, own in arms.items() for mode in two}
del fields["once", "backpropagation"]
fields["same", "cDNI unlocked"] |= {"in_turn": True}
long = {key: full.cell(**own) for key, own in fields.items()}
rows = {key: [cell["test_accuracy"].mean(), cell["test_loss"].mean(), len(cell)] for key, cell in long.items()}
for mode, accuracy, loss in zip(two, reference["test_accuracy"], reference["test_loss"], strict=True):
    rows["printed", mode] = [float(accuracy) / 100, float(loss), 1]
means = pd.DataFrame(rows, ["accuracy", "loss", "seeds"]).T.astype({"seeds": int})
words = {"long": "as long as published", "same": "all as published", "once": "but at once", "printed": "published"}
means.rename(index=words).round(4)

# %% tags=["remove-cell"]
glue("published_batch", PUBLISHED["batch_size"][0])
for (arm, mode), row in means.iterrows():
    name = {"backpropagation": "plain", "cDNI unlocked": "unlocked"}[mode]
    glue(f"{name}_{arm}", row["accuracy"])
    glue(f"{name}_loss_{arm}", row["loss"])
accuracy = means["accuracy"].unstack()
price = 100 * (accuracy["backpropagation"] - accuracy["cDNI unlocked"])
for arm in ("long", "same", "printed"):
    glue(f"price_{arm}", price[arm])

# %% tags=["remove-cell"]
turns = {arm: long[arm, "cDNI unlocked"].set_index("seed")["test_accuracy"] for arm in ("same", "once")}
for arm, ends in turns.items():
    glue(f"seeds_{arm}", len(ends))
glue("unlocked_least", turns["same"].min())
glue("unlocked_most", turns["same"].max())
glue("once_least", turns["once"].min())
glue("once_most", turns["once"].max())
gained = turns["same"] - turns["once"]
gained_half = student_t.ppf(0.975, len(gained) - 1) * gained.sem()
glue("turns_published", 100 * gained.mean())
glue("turns_published_half", 100 * gained_half)

# %% tags=["remove-cell"]
predicted = [long[arm, "cDNI unlocked"] for arm in ("same", "once")]
column = predicted[0].curve("step").iloc[0].searchsorted(0.6 * int(reference["steps"]))
for name, curve in {"cosine": "cosine_1", "ratio": "norm_ratio_1"}.items():
    values = pd.concat([of_arm.curve(curve).iloc[:, column] for of_arm in predicted])
    glue(f"{name}_least", values.min())
    glue(f"{name}_most", values.max())
glue("noisy_runs", len(values))
for word, own in {"always": {}, "rarely": two["cDNI unlocked"]}.items():
    at_once, in_turn = (full.cell(**own, in_turn=how).set_index("seed")["test_accuracy"] for how in (False, True))
    more = (in_turn - at_once).dropna()
    half = student_t.ppf(0.975, len(more) - 1) * more.sem()
    glue(f"turns_{word}", 100 * more.mean())
    glue(f"turns_{word}_half", 100 * half)
    assert abs(more.mean()) < half < 0.01

# %% tags=["remove-cell"]
same, printed, in_turn = means.loc["same"], means.loc["printed"], turns["same"]
assert abs(same["accuracy"] - printed["accuracy"])["backpropagation"] < 0.002
losses = long["same", "backpropagation"]["test_loss"]
assert losses.min() < printed["loss"]["backpropagation"] < losses.max()
assert 0 < printed["accuracy"]["cDNI unlocked"] - in_turn.max() < np.ptp(in_turn)
assert turns["once"].max() < printed["accuracy"]["cDNI unlocked"]
assert gained.min() < 0 < gained.mean() < gained_half
assert same["loss"]["cDNI unlocked"] < same["loss"]["backpropagation"]

# %% [markdown]
# Length closes most of the distance. With as many steps cDNI unlocked rises from {glue:text}`unlocked_short:.1%` to
# {glue:text}`unlocked_long:.1%`, where the published notebook, in another mode of batch normalisation, has
# {glue:text}`unlocked_printed:.1%`. Backpropagation rises, too: unlocking still costs {glue:text}`price_long:.1f` points.
#
# With all as published, backpropagation is where the notebook is: its accuracy is {glue:text}`plain_same:.2%`, published
# {glue:text}`plain_printed:.2%`, and its test loss {glue:text}`plain_loss_same:.3f` nats, published
# {glue:text}`plain_loss_printed:.3f`. The loss is large because the network becomes ever surer of its mistakes.
#
# cDNI unlocked comes near the notebook. In turn, as published, its {glue:text}`seeds_same` seeds end between
# {glue:text}`unlocked_least:.1%` and {glue:text}`unlocked_most:.1%`, published {glue:text}`unlocked_printed:.1%`. The best
# of them is nearer to the notebook than to the worst. Unlocking costs {glue:text}`price_same:.1f` points on average,
# published {glue:text}`price_printed:.1f`. As published, its test loss is below that of backpropagation:
# {glue:text}`unlocked_loss_same:.3f` nats, published {glue:text}`unlocked_loss_printed:.3f`.
#
# At once, {glue:text}`seeds_once` seeds end between {glue:text}`once_least:.1%` and {glue:text}`once_most:.1%`. At equal seeds
# the runs in turn have {glue:text}`turns_published:+.1f` ± {glue:text}`turns_published_half:.1f` points more (95 % interval).
# So {glue:text}`seeds_once` seeds cannot tell whether the order of updates matters here. (The first two at once ended below
# all in turn. A third did not.) In our short runs the order changes cDNI by {glue:text}`turns_always:+.1f` ±
# {glue:text}`turns_always_half:.1f` points, and cDNI unlocked by {glue:text}`turns_rarely:+.1f` ±
# {glue:text}`turns_rarely_half:.1f`.
#
# At this learning rate the predictors are noisy. Just before it drops for the first time, the gradients that they send to
# the first block are {glue:text}`ratio_least:.0f` to {glue:text}`ratio_most:.0f` times too long in these
# {glue:text}`noisy_runs` runs. Their cosines with the true ones lie between {glue:text}`cosine_least:.2f` and
# {glue:text}`cosine_most:.2f`.
#
# The notebook ends higher than all of ours, and chance may be the reason: it is one run, and ours lie apart. A slip in our
# step is unlikely: the notebook's training as we read it, written out in NumPy, leads a small network in sixty steps to the
# weights to which the library leads it, in both orders. A test keeps it so. A misreading of ours is not excluded, and the
# notebook holds out 5,000 images on which we train. For one published run, {doc}`the ledger <90_ledger>` cannot decide.
#
# ### Rarer updates, deeper networks
#
# A block that updates less often has to wait less. It also learns less from as many batches.
#
# :::{question} synthetic-depth
# {cite:t}`jaderberg2017decoupled` say that deep networks stay trainable where predictors see the label. From three to six
# hidden layers, what happens to the accuracy?
#
# - [x] cDNI loses a little, DNI much more.
#
#   Yes: cDNI loses {glue:text}`conditioned_loss:.1f` points and DNI {glue:text}`unconditional_loss:.1f`.
# - [ ] Both lose equally.
#
#   No: cDNI loses {glue:text}`conditioned_loss:.1f` points and DNI {glue:text}`unconditional_loss:.1f`. An error in one
#   predictor is passed on to all below it, and errors are larger without the label.
# - [ ] All lose, backpropagation too.
#
#   Backpropagation loses {glue:text}`backpropagation_loss:.1f` points only. The loss comes from the predictions.
# :::

# %% tags=["hide-input"]
#| label: fig-synthetic-depth
#| fig-cap: >-
#|   Test accuracy at the end, by update probability (left) and by number of hidden layers (right). One dot per seed,
#|   lines through the means. {provenance}`synthetic`
#| fig-alt: >-
#|   Left, accuracy rises with the probability of an update, from 87 percent at 0.05 to 95 at 1, by ever smaller steps.
#|   Right, from three to six hidden layers backpropagation stays level, cDNI loses one and a half points and DNI four.
figure, axes = plt.subplots(1, 2)
sweeps = {mode: [(d, {"mode": mode, "depth": d}) for d in (3, 4, 5, 6)] for mode in ("backpropagation", "cDNI", "DNI")}
sweeps["cDNI unlocked"] = [(p, {"update_probability": p}) for p in (0.05, 0.1, 0.2, 0.5, 1.0)]
for mode, cells in sweeps.items():
    found = [(x, full.cell(**fields)["test_accuracy"]) for x, fields in cells]
    panel = axes[0] if mode == "cDNI unlocked" else axes[1]
    for x, values in found:
        panel.plot([x] * len(values), values, ".", color=styles[mode]["color"], alpha=0.4)
    panel.plot([x for x, _ in found], [values.mean() for _, values in found], label=mode, **styles[mode])
axes[0].set(xscale="log", xlabel="update probability", ylabel="test accuracy")
axes[1].set(xlabel="hidden layers", xticks=(3, 4, 5, 6))
_ = axes[1].legend()

# %% [markdown]
# The right half of {numref}`fig-synthetic-depth` is what the paper's claim leads one to expect; the table behind the claim
# we have not read.

# %% tags=["remove-cell"]
for name, mode in {"conditioned": "cDNI", "unconditional": "DNI", "backpropagation": "backpropagation"}.items():
    shallow, deeper = (full.cell(mode=mode, depth=layers)["test_accuracy"].mean() for layers in (3, 6))
    glue(f"{name}_loss", 100 * (shallow - deeper))
by_probability = [full.cell(**fields)["test_accuracy"].mean() for _, fields in sweeps["cDNI unlocked"]]
assert by_probability == sorted(by_probability)  # the more rarely blocks update, the lower

# %% [markdown]
# ### How good the predictions are, layer by layer

# %% tags=["hide-input"]
#| label: fig-synthetic-truth
#| fig-cap: >-
#|   MNIST, cDNI: cosine of synthetic and true gradient (left) and ratio of their norms (right), by interface, 1 nearest
#|   to the input. {provenance}`synthetic`
#| fig-alt: >-
#|   Up to step 6,000 the cosines stay at about 0.3, 0.13 and 0.07 for interfaces 3, 2 and 1, and the predictions' norms
#|   are three to five times too large. Then, when the learning rate falls, the cosines rise to 0.7, 0.4 and 0.3, and
#|   the norms drop below the true ones.
figure, axes = plt.subplots(1, 2)
cell = full.cell()
for panel, name in zip(axes, ("cosine", "norm_ratio"), strict=True):
    for k in (1, 2, 3):
        plots.seeds(
            panel, cell.curve("step").iloc[0], cell.curve(f"{name}_{k}").to_numpy(), f"interface {k}", **lines[k]
        )
    panel.set(xlabel="steps", ylabel={"cosine": "cosine", "norm_ratio": "norm / true norm"}[name])
_ = axes[0].legend()

# %% [markdown]
# {numref}`fig-synthetic-truth` shows on MNIST what {numref}`fig-synthetic-agreement` shows on small images. While the
# network moves fast, its predictors are far behind. When the learning rate falls they catch up, best next to the loss.
#
# ### Other predictors, and convolutions
#
# Two controls first. One predictor learns the *true* gradient instead of the one that was propagated from a prediction.
# Another one is drawn at random and never learns. Then predictors with hidden layers. Then blocks that wait for nobody:
# their input is predicted as well, from the image, so that forward passes are unlocked too.
#
# Then CIFAR-10, with three convolutions of 32 channels and {glue:text}`cifar_steps` steps, which is what two processor
# cores allow. This compares the modes after few steps; it does not say how well they could do, and close ones cannot be
# ranked. The accuracy is over all 10,000 test images. In the book's copy of CIFAR-10, 9,000 of these are JPEG copies of
# the originals, so the numbers are not comparable with published ones to the last tenth of a point.

# %% tags=["hide-input"]
convolutional = {name: value for name, (value,) in CONVOLUTIONAL.items()}
cells = {
    "MNIST, cDNI, target true": {"target": "true"},
    "MNIST, random predictor": {"mode": "no backpropagation", "initializer": "glorot_uniform"},
    "MNIST, cDNI, one hidden layer in the predictor": {"predictor_layers": 1},
    "MNIST, cDNI, two hidden layers": {"predictor_layers": 2},
    "MNIST, DNI, two hidden layers": {"predictor_layers": 2, "mode": "DNI"},
    "MNIST, DNI, one hidden layer": {"predictor_layers": 1, "mode": "DNI"},
    "MNIST, cDNI, inputs predicted too": {"predict_inputs": True},
    "MNIST, cDNI unlocked, inputs predicted too": {"predict_inputs": True, "update_probability": 0.2},
} | {f"CIFAR-10, {mode}": {"mode": mode, **convolutional} for mode in MODES[:4]}
glue("cifar_steps", f"{convolutional['steps']:,}")
table = summary(cells)
glue("one_hidden", table["mean"]["MNIST, cDNI, one hidden layer in the predictor"])
glue("two_hidden", table["mean"]["MNIST, cDNI, two hidden layers"])
glue("two_hidden_unconditional", table["mean"]["MNIST, DNI, two hidden layers"])
glue("one_hidden_unconditional", table["mean"]["MNIST, DNI, one hidden layer"])
glue("inputs_predicted", table["mean"]["MNIST, cDNI, inputs predicted too"])
glue("convolutional_conditional", table["mean"]["CIFAR-10, cDNI"])
glue("convolutional_none", table["mean"]["CIFAR-10, no backpropagation"])
glue("convolutional_full", table["mean"]["CIFAR-10, backpropagation"])
one, two, without = table["mean"].iloc[2:5]
assert one < two < full.cell()["test_accuracy"].mean()
assert without <= full.cell(mode="no backpropagation")["test_accuracy"].mean()
table.round(3)

# %% tags=["remove-cell"]
ends = {
    layers: [full.cell(predictor_layers=layers).curve(f"norm_ratio_{k}").iloc[:, -1] for k in (1, 2, 3)]
    for layers in (0, 1, 2)
}
assert all(ends[layers][k].max() < 0.05 for layers in (1, 2) for k in (0, 1))  # the two lower interfaces
assert all(ends[layers][2].min() > 0.4 for layers in (1, 2))
glue("hidden_ratio", max(ends[layers][k].max() for layers in (1, 2) for k in (0, 1)))
glue("linear_ratio", ends[0][0].mean())

# %% [markdown]
# A predictor that learns the true gradient does better than one that learns from the next predictor. So a part of the
# lost accuracy comes from learning predictions from predictions. A predictor that is random and never learns does worse
# than one that predicts zero.
#
# Larger predictors are not better ones here: with one hidden layer cDNI ends at {glue:text}`one_hidden:.1%`, with two at
# {glue:text}`two_hidden:.1%`, with none at {glue:text}`full_conditioned:.1%`. At the end they teach only the layer
# next to the loss: what they send to the two others has at most {glue:text}`hidden_ratio:.2f` of the true norm. Linear
# ones send the first layer {glue:text}`linear_ratio:.2f` of it. Why larger ones fall silent there is not measured. DNI with
# one hidden layer ends at {glue:text}`one_hidden_unconditional:.1%`, with two at
# {glue:text}`two_hidden_unconditional:.1%`. That is no better than no backpropagation, with {glue:text}`full_none:.1%`.
#
# Where inputs are predicted as well, no block waits for any other, and cDNI still ends at
# {glue:text}`inputs_predicted:.1%`.
#
# And with convolutions, in so few steps, prediction gains little: cDNI ends at
# {glue:text}`convolutional_conditional:.1%`. Training the last block alone reaches {glue:text}`convolutional_none:.1%`,
# backpropagation {glue:text}`convolutional_full:.1%`.
#
# What has not been run yet, if anything:

# %% tags=["hide-input"]
missing = [STUDY.label(run) for key, run in STUDY.runs.items() if key not in set(full["key"])]
missing or "Nothing is missing."

# %% [markdown]
# ## What failed, and where we deviate
#
# The chapter grew from a notebook, {cite:t}`anonymous2018synthetic`, whose numbers show nothing about the method. What was wrong, and what is
# done here:
#
# - **Five minibatches.** `n_epochs = 5` counted batches of {glue:text}`seed_batch`, at a learning rate of
#   {glue:text}`seed_rate`. Both test accuracies, {glue:text}`seed_backpropagation` and {glue:text}`seed_synthetic` %, are
#   at the chance level. Runs here are longer, and their learning rate falls towards the end. But they are still short:
#   the study's {glue:text}`full_steps` steps are few beside the {glue:text}`published_steps` of the published runs, and
#   curves need not be flat at the end.
# - **One network tested twice.** The cell that should test the synthetic network evaluates the other session again, on
#   other random batches. The two numbers differ by chance. Here each run is tested with its own weights.
# - **Test images as validation.** They were used to watch training. Here they are logged too, but nothing is chosen by
#   them during a run. The learning rate of the full-scale runs was set by hand. Short trials of one seed at a higher and
#   at a lower rate were judged by test accuracy; the rate itself was not tried.
# - **Batch normalisation never learnt its statistics**, in both published notebooks. Section
#   [](#what-batch-normalisation-changes) measures what that does. By default a block's statistics move here, with its
#   updates.
# - **Both writers shared a folder**, so that validation curves lay over training curves. Here every run has its own.
# - **Order of updates.** There, blocks were updated one after the other, each on a fresh forward pass through the blocks
#   just updated. Here a step computes everything from the weights at its start, so that no block waits for another. Only
#   where runs are said to update in turn they do as there, and section [](#as-long-and-as-published) says what it changes.
# - **Adam's counter.** There and here every block has its own count of updates, so that a block that rarely updates is
#   not treated like one that has long been trained.
# - **The papers' scale** is not attempted. Their recurrent networks are larger, and their copy task grows with success.

# %% tags=["remove-cell"]
facts = published.load("20_synthetic_gradients").query("source.str.startswith('synthetic')", engine="python")
facts = facts.set_index(["quantity", "setting"]).value
glue("seed_batch", int(facts["batch_size", ""]))
glue("seed_rate", float(facts["learning_rate", ""]))
glue("seed_backpropagation", float(facts["test_accuracy", "backpropagation"]))
glue("seed_synthetic", float(facts["test_accuracy", "synthetic gradients"]))

# %% [markdown]
# ## Exercises
#
# 1. A predictor of gradients can be the derivative of a predictor of *losses*, a critic. For a linear last layer, which
#    form must the critic have to be exact?
#
# :::{dropdown} Solution
# Quadratic: $\tfrac12 \lVert [h, y] M \rVert^2$ with $M = [W; -I]$ is the loss itself, and its derivative is
# {eq}`synthetic-closed-form`. The largest difference between the two, on random samples:
# :::

# %% tags=["hide-cell"]
from gradbook.synthetic import Critic

random = generator(seed, "critic")
h, y, w = (random.standard_normal(shape).astype("float32") for shape in [(6, 3), (6, 2), (3, 2)])
critic = Critic(rank=2)
critic(tf.constant(h), tf.constant(y))
critic.set_weights([linear.exact_critic(w)])
round(float(np.abs(critic(tf.constant(h), tf.constant(y)) - (h @ w - y) @ w.T).max()), 5)

# %% [markdown]
# 2. Take the three blocks of [](#one-rule-with-a-dial), with Jacobians 2 and 3 and predictions 1 and 5. What does block 0
#    receive at $\lambda = \tfrac14$? Put your answer in place of `None`.

# %%
check_message = exercise(
    lambda: messages([2.0, 3.0], [1.0, 5.0], 0.25)[0][0],
    too_low="What block 1 sends down is twice what it received.",
    too_high="Start at the loss: what does block 1 receive? Only a quarter of it is the propagated gradient.",
)
check_message(None)

# %% [markdown]
# 3. Six blocks work through ten batches with predicted gradients. How many units of time do they need? Count first, then
#    check; {numref}`fig-synthetic-locking` shows a smaller case.

# %%
check_time = exercise(
    lambda: max(task.start + 1 for task in locking.schedule(6, 10, "backward unlocked")),
    too_low="The last block has to wait for its first input, and then it has two units of work for every batch.",
    too_high="Once the last block has started, it never waits again.",
    relative=0.0,
)
check_time(None)

# %% [markdown]
# ## Take-aways
#
# - In backpropagation a block waits for all others. A predicted gradient ends the wait for the blocks above, a predicted
#   input the wait for those below.
# - For a linear last layer and a squared loss the exact predictor is linear in $h$ and $y$, and training finds it.
#   Without the label there is no exact predictor.
# - One rule, $\delta_k = \lambda J^\top \delta_{k+1} + (1 - \lambda) \hat g_k$, has pure prediction at one end and
#   backpropagation at the other. It works for windows of time as for layers.
# - Predictions need not be exact to be useful, but they cost accuracy: less with the label than without, and the more,
#   the more rarely blocks update.
# - Batch normalisation in inference mode changes what cDNI reaches. And five minibatches are too few to show anything.

"""Linear networks on easy and on impossible labels: do predicted gradients end where backpropagation ends?

Czarnecki et al. 2017 train a linear model and a deep linear one, on a squared and on a logistic loss, on four kinds of
data in 2 and in 100 dimensions. What their four kinds are in detail stands in a supplement that we have not seen; those
here are our own.
"""

import hashlib
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from pydantic import Field

from gradbook.seeds import generator
from gradbook.studies.experiment import Configuration as Base
from gradbook.studies.experiment import Experiment, Record
from gradbook.studies.study import Study, grid, plan
from gradbook.training import require_finite

if TYPE_CHECKING:
    from gradbook.synthetic.chain import Chain

EXAMPLES, FLIPPED = 100, 0.1

Labels = Literal["separable", "noisy", "random", "exclusive or"]


class Configuration(Base):
    """One way to train a linear network to tell two classes apart, on all examples at each step.

    Attributes:
        labels: "separable", by the side of a plane on which an input lies; "noisy", the same with one in ten flipped;
            "random"; or "exclusive or", whether the first two numbers have the same sign.
        inputs: width of the input and of the hidden layers.
        hidden_layers: 0 for a linear model, whose output's gradient is predicted; else the gradient is predicted after
            the layer in the middle.
        loss: "squared", half the squared distance from 0 or 1, or "logistic"; means over the examples.
        mode: "backpropagation", or "cDNI", a linear predictor that sees the label.
        learning_rate: η of Adam.
        schedule: of the rate: "constant", or "drops" to a tenth after three fifths of the steps, and again after four.
        steps: how many.
    """

    labels: Labels = "noisy"
    inputs: int = Field(2, ge=2)
    hidden_layers: int = Field(0, ge=0)
    loss: Literal["squared", "logistic"] = "squared"
    mode: Literal["backpropagation", "cDNI"] = "cDNI"
    learning_rate: float = Field(1e-3, gt=0)
    schedule: Literal["constant", "drops"] = "constant"
    steps: int = Field(5_000, ge=1)


def examples(labels: str, inputs: int) -> tuple[np.ndarray, np.ndarray]:
    """Return standard normal inputs float32 [100, inputs], and the labels 0 and 1 as float32 [100, 1]."""
    random = generator(0, "examples")
    x = random.standard_normal((EXAMPLES, inputs)).astype(np.float32)
    if labels == "random":
        y = random.random(EXAMPLES) < 0.5
    elif labels == "exclusive or":
        y = x[:, 0] * x[:, 1] > 0
    else:
        y = x @ random.standard_normal(inputs) > 0
    if labels == "noisy":
        y ^= random.random(EXAMPLES) < FLIPPED
    return x, y[:, None].astype(np.float32)


def network(inputs: int, hidden_layers: int, loss: str) -> "Chain":
    """Return a linear network with biases and one output, cut once."""
    import keras
    import tensorflow as tf

    from gradbook.synthetic.chain import cut, squared_error

    def logistic(targets: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(targets, outputs))

    hidden = [keras.layers.Dense(inputs, name=f"hidden_{number}") for number in range(1, hidden_layers + 1)]
    layers = [*hidden, keras.layers.Dense(1, name="output")]
    if not hidden:
        layers.append(keras.layers.Identity())
    place = hidden[(len(hidden) - 1) // 2].name if hidden else "output"
    model = keras.Sequential([keras.Input((inputs,)), *layers])
    return cut(model, [place], loss={"squared": squared_error, "logistic": logistic}[loss])


def train(cell: Configuration, seeds: Sequence[int]) -> Iterator[Record]:
    """Train one network for each seed, which decides the initial weights; the examples are always the same.

    The metric ``train_loss`` is the loss after the last step; as a curve it is measured a hundred times.

    Raises:
        RunError: the loss became NaN or infinite.
    """
    from gradbook.synthetic import Settings
    from gradbook.synthetic.training import Data
    from gradbook.synthetic.training import train as descend

    mixing, drops = float(cell.mode == "backpropagation"), {"constant": (), "drops": (0.6, 0.8)}[cell.schedule]
    settings = Settings(mixing=mixing, learning_rate=cell.learning_rate, divide_by_loss=False, drops=drops)
    x, y = examples(cell.labels, cell.inputs)
    identity = f"linear-networks:{hashlib.sha256(x.tobytes() + y.tobytes()).hexdigest()}"
    runs = descend(
        partial(network, cell.inputs, cell.hidden_layers, cell.loss),
        Data(x, y, x, y),
        {cell.mode: settings},
        seeds=seeds,
        steps=cell.steps,
        batch_size=EXAMPLES,
        every=max(1, cell.steps // 100),
    )
    for ended in runs:
        losses = [loss / EXAMPLES for loss in ended.curves["test_loss"]]
        for number, loss in enumerate(losses):
            require_finite(loss, "train_loss", f"measurement {number + 1}")
        yield Record({"train_loss": losses[-1]}, {"train_loss": losses}, data=identity)


EXPERIMENT = Experiment("linear_networks", version=1, configuration=Configuration, train=train, stack=10)
run = EXPERIMENT.run

DATA = {"labels": get_args(Labels), "inputs": [2, 100]}
WAYS = {"loss": ["squared", "logistic"], "mode": ["backpropagation", "cDNI"]}

STUDY = Study(
    "linear_networks",
    EXPERIMENT,
    plan(
        (grid(Configuration, hidden_layers=[0], **DATA, **WAYS), 10),
        (grid(Configuration, hidden_layers=[10], **DATA, **WAYS), 3),
        (grid(Configuration, hidden_layers=[10], schedule=["drops"], **(DATA | {"inputs": [100]}), **WAYS), 10),
    ),
)

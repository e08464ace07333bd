"""The relatives of the gate: what else can turn while a network trains, each in a small network of its own."""

from collections.abc import Sequence
from itertools import chain
from typing import Literal

import keras
from keras.layers import Conv2D, Dense, Flatten, ReLU
from pydantic import Field

from gradbook import data
from gradbook.gradnets.gates import Linear
from gradbook.gradnets.layers import (
    Gate,
    GradualBatchNormalization,
    GradualDepth,
    GradualDropout,
    GradualPooling,
    GradualReLU,
    GradualSampling,
    Progress,
)
from gradbook.gradnets.optimizers import GradualOptimizer
from gradbook.seeds import set_seed
from gradbook.studies import experiment
from gradbook.studies.experiment import Experiment, Record
from gradbook.timing import Stopwatch
from gradbook.training import finite_loss

Relative = Literal["relu", "dropout", "batch_normalization", "depth", "pooling", "sampling", "optimizer"]


class Configuration(experiment.Configuration):
    """One run.

    Attributes:
        dataset: "mnist" or "digits".
        relative: what turns.
        form: the early form throughout, the late one throughout, or the one into the other by a gate that opens
            linearly over the first half of training.
        epochs: passes over the training images, in batches of 50.
    """

    dataset: Literal["mnist", "digits"] = "mnist"
    relative: Relative = "relu"
    form: Literal["early", "late", "gradual"] = "gradual"
    epochs: int = Field(1, ge=1)


def hidden(relative: Relative, gate: Gate) -> list[keras.Layer]:
    """The layers between an image and the last layer."""
    match relative:
        case "relu":  # linear → rectified
            return [Flatten(), *chain(*((Dense(50), GradualReLU(gate)) for _ in range(10)))]
        case "dropout":  # none → half of the units
            return [Flatten(), Dense(200, "relu"), GradualDropout(0.5, gate)]
        case "batch_normalization":  # with → without
            return [Flatten(), *chain(*((Dense(50), GradualBatchNormalization(gate), ReLU()) for _ in range(5)))]
        case "depth":  # one hidden layer → twenty-one
            return [Flatten(), Dense(50, "relu"), *(GradualDepth(Dense(50, "relu"), gate) for _ in range(20))]
        case "pooling":  # average → maximum
            convolutions = (Conv2D(8, 3, padding="same", activation="relu") for _ in range(2))
            return [*chain(*((convolution, GradualPooling(gate)) for convolution in convolutions)), Flatten()]
        case "sampling":  # probabilities → coin tosses
            return [Flatten(), Dense(200), GradualSampling(gate)]
        case "optimizer":
            return [Flatten(), Dense(100, "relu")]


def run(configuration: Configuration, seeds: Sequence[int]) -> list[Record]:
    """Train once a seed.

    Raises:
        RunError: the loss became NaN or infinite.
    """
    return [train(configuration, seed) for seed in seeds]


def train(configuration: Configuration, seed: int) -> Record:
    """Train one network with Adam (rate 0.001), and measure its accuracy on the test images.

    Where the optimiser is what turns, it turns from Adam into gradient descent (rate 0.1).
    """
    set_seed(seed)
    images = data.load(configuration.dataset)
    gate = Gate({"early": 0.0, "late": 1.0, "gradual": Linear(0, 0.5)}[configuration.form])
    optimizer = keras.optimizers.Adam()
    if configuration.relative == "optimizer":
        optimizer = GradualOptimizer(optimizer, keras.optimizers.SGD(0.1), gate)
    shape = images.x_train.shape[1:]
    model = keras.Sequential([keras.Input(shape), *hidden(configuration.relative, gate), Dense(10, "softmax")])
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"], jit_compile=False)
    with Stopwatch() as watch:
        history = model.fit(
            images.x_train,
            images.y_train,
            batch_size=50,
            epochs=configuration.epochs,
            validation_data=(images.x_test, images.y_test),
            callbacks=[Progress(), finite_loss()],
            verbose=0,
        ).history
    curves = {"training_accuracy": history["accuracy"], "test_accuracy": history["val_accuracy"]}
    metrics = {"final_accuracy": curves["test_accuracy"][-1]}
    return Record(metrics, curves, watch.seconds, watch.peak_memory, images.identity)


EXPERIMENT = Experiment("gradnets_relatives", version=1, configuration=Configuration, run=run)

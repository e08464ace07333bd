"""The experiment of Part II: image classifiers cut after every hidden layer, and trained in each of the modes."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from gradbook import data
from gradbook.studies import experiment
from gradbook.studies.experiment import Experiment, Record
from gradbook.synthetic import Target
from gradbook.synthetic.settings import Policy, modes
from gradbook.timing import Stopwatch
from gradbook.training import require_finite

if TYPE_CHECKING:
    from pandas import DataFrame

    from gradbook.synthetic.chain import Chain
    from gradbook.synthetic.training import Data

LOGS = 20


class Configuration(experiment.Configuration):
    """One cell of the study; the defaults are the published network and batch.

    Attributes:
        dataset: "mnist", "cifar10", "digits", or whatever `gradbook.data.load` takes.
        network: dense layers with batch normalisation and ReLU, or convolutions with stride 2 in their place.
        mode: see `gradbook.synthetic.modes`.
        update_probability, target, learning_rate: see `gradbook.synthetic.Policy`.
        initializer: of the predictors' last kernel.
        depth: hidden layers.
        width: units of each, or channels.
        batch_size: images a step.
        steps: in the whole run.
    """

    dataset: str = "mnist"
    network: Literal["dense", "convolutional"] = "dense"
    mode: Literal["backpropagation", "no backpropagation", "DNI", "cDNI"] = "cDNI"
    update_probability: float = Field(1.0, gt=0, le=1)
    target: Target = "bootstrapped"
    initializer: Literal["zeros", "glorot_uniform"] = "zeros"
    depth: int = Field(3, ge=1, le=30)
    width: int = Field(256, ge=1)
    learning_rate: float = Field(3e-4, gt=0)
    batch_size: int = Field(16, ge=2)
    steps: int = Field(10_000, ge=1)

    @property
    def policy(self) -> Policy:
        """How the mode trains, with this configuration's choices."""
        own = {name: getattr(self, name) for name in ("update_probability", "target", "learning_rate")}
        return modes(**own)[self.mode]


def at(study: "DataFrame", **fields: object) -> "DataFrame":
    """The runs of a study's results that have the default configuration but for the named fields, seeds aside.

    Args:
        study: with the configuration's fields as columns.
        fields: those that differ, and their values.
    """
    wanted = Configuration(**fields).model_dump(exclude={"seed"})
    keep = study.seed.notna()
    for name, value in wanted.items():
        keep &= study[name] == value
    return study[keep]


def images(name: str, *, flat: bool) -> "tuple[Data, str]":
    """A dataset with one-hot labels, its images as vectors or as maps, and its identity.

    Raises:
        InputError: the dataset holds no images.
    """
    from gradbook.synthetic.training import Data

    source = data.load(name).require_images()
    one_hot = np.eye(len(source.classes), dtype=np.float32)
    x_train, x_test = (x.reshape(len(x), -1) if flat else x for x in (source.x_train, source.x_test))
    return Data(x_train, one_hot[source.y_train], x_test, one_hot[source.y_test]), source.identity


def network(shape: Sequence[int], classes: int, *, depth: int, width: int, initializer: str = "zeros") -> "Chain":
    """A classifier cut after each of its hidden layers: 784-256-256-256-10 has 336,650 trainable parameters.

    Args:
        shape: of an image: [pixels] for dense layers, [height, width, channels] for convolutions of 5×5, stride 2.
        classes: outputs, and width of the context.
        depth: hidden layers, each with batch normalisation and ReLU.
        width: units or channels of each.
        initializer: of the predictors' last kernel.

    >>> chain = network([784], 10, depth=3, width=256)
    >>> sum(int(np.prod(w.shape)) for block in chain.blocks for w in block.trainable_variables)
    336650
    """
    import keras

    from gradbook.synthetic.chain import Interface, cross_entropy, cut
    from gradbook.synthetic.predictors import SyntheticGradient

    layers = [keras.Input(shape)]
    for k in range(1, depth + 1):
        if len(shape) == 1:
            layers.append(keras.layers.Dense(width))
        else:
            layers.append(keras.layers.Conv2D(width, 5, strides=2, padding="same"))
        layers += [keras.layers.BatchNormalization(), keras.layers.ReLU(name=f"hidden_{k}")]
    model = keras.Sequential([*layers, keras.layers.Flatten(), keras.layers.Dense(classes)])
    interfaces = [Interface(f"hidden_{k}", SyntheticGradient(initializer=initializer)) for k in range(1, depth + 1)]
    return cut(model, interfaces, loss=cross_entropy, context=classes)


def run(configuration: Configuration, seeds: Sequence[int]) -> list[Record]:
    """Train a configuration from each seed.

    Metrics are ``accuracy`` (in [0, 1]) and ``test_loss`` (nats) on the test images and ``train_loss``, the mean over
    the last twentieth of the steps. Curves are those of `gradbook.synthetic.training.Run`.
    """
    from gradbook.synthetic.training import train

    c = configuration
    pictures, identity = images(c.dataset, flat=c.network == "dense")
    build = partial(
        network,
        pictures.x_train.shape[1:],
        pictures.y_train.shape[1],
        depth=c.depth,
        width=c.width,
        initializer=c.initializer,
    )
    every = max(1, c.steps // LOGS)
    with Stopwatch() as watch:
        runs = train(
            build, pictures, {c.mode: c.policy}, seeds=seeds, steps=c.steps, batch_size=c.batch_size, every=every
        )
    return [
        Record(
            metrics={
                name: require_finite(run.curves[name][-1], name, f"seed {run.seed}")
                for name in ("accuracy", "test_loss", "train_loss")
            },
            curves=run.curves,
            seconds=watch.seconds / len(runs),
            peak_memory=watch.peak_memory,
            data=identity,
        )
        for run in runs
    ]


EXPERIMENT = Experiment("synthetic", 1, Configuration, run, stack=10)

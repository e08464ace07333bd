"""The experiment of Part II: image classifiers cut after every hidden layer, and trained in each of the modes."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from gradbook import data
from gradbook.studies import experiment
from gradbook.studies.experiment import Experiment, Record
from gradbook.studies.study import Study, grid, plan
from gradbook.synthetic.settings import Settings, Target, modes

if TYPE_CHECKING:
    from gradbook.synthetic.training import Data

LOGS = 20
NETWORK = {"depth", "width", "batch_norm", "initializer", "predictor_layers", "predict_inputs", "epsilon"}
"""The fields that `gradbook.synthetic.networks.classifier` takes."""


class Configuration(experiment.Configuration):
    """One cell of the study; the defaults are the published network and batch.

    Attributes:
        dataset: "mnist", "cifar10", "digits", or whatever `gradbook.data.load` takes.
        network: dense layers with batch normalisation and ReLU, or convolutions with stride 2 in their place.
        batch_norm: "training", normalise by the batch's statistics while training; "inference", always by the initial
            moving averages, so that only scale and shift are learnt, as in the published notebooks.
        mode: see `gradbook.synthetic.modes`.
        update_probability, in_turn, target, learning_rate: see `gradbook.synthetic.Settings`.
        initializer: of the predictors' last kernel.
        predictor_layers: hidden layers of each predictor, with ReLU, as wide as what it predicts; 0 is a linear one.
        predict_inputs: let each block compute from a predicted input too, so that it waits for no other block.
        depth: hidden layers.
        width: units of each, or channels.
        epsilon: ε of Adam; 1e-7 is Keras' choice, 1e-8 that of the published notebooks' library.
        batch_size: images in a step.
        steps: in the whole run.
    """

    dataset: str = "mnist"
    network: Literal["dense", "convolutional"] = "dense"
    batch_norm: Literal["training", "inference"] = "training"
    mode: Literal["backpropagation", "no backpropagation", "DNI", "cDNI"] = "cDNI"
    update_probability: float = Field(1.0, gt=0, le=1)
    in_turn: bool = False
    target: Target = "bootstrapped"
    initializer: Literal["zeros", "glorot_uniform"] = "zeros"
    predictor_layers: int = Field(0, ge=0, le=4)
    predict_inputs: bool = False
    depth: int = Field(3, ge=1, le=30)
    width: int = Field(256, ge=1)
    learning_rate: float = Field(3e-4, gt=0)
    epsilon: float = Field(1e-7, gt=0)
    batch_size: int = Field(16, ge=2)
    steps: int = Field(10_000, ge=1)

    @property
    def settings(self) -> Settings:
        """The training settings of the mode, with this configuration's choices."""
        own = self.model_dump(include={"update_probability", "in_turn", "target", "learning_rate"})
        return modes(**own)[self.mode]


def images(name: str, *, flat: bool) -> "tuple[Data, str]":
    """Return a dataset with one-hot labels, its images as vectors or as maps, and its identity.

    Raises:
        InputError: the dataset holds no images.
    """
    from gradbook.synthetic.training import Data

    source = data.load(name).require_images()
    one_hot = np.eye(len(source.classes), dtype=np.float32)
    x_train, x_test = (x.reshape(len(x), -1) if flat else x for x in (source.x_train, source.x_test))
    return Data(x_train, one_hot[source.y_train], x_test, one_hot[source.y_test]), source.identity


def train(cell: Configuration, seeds: Sequence[int]) -> Iterator[Record]:
    """Train a cell from each seed.

    Metrics are ``test_accuracy`` and ``test_loss`` on the test images and ``train_loss``, the mean over the last
    twentieth of the steps. Curves are those of `gradbook.synthetic.training.Run`.
    """
    from gradbook.synthetic import training
    from gradbook.synthetic.networks import classifier

    examples, identity = images(cell.dataset, flat=cell.network == "dense")
    build = partial(
        classifier,
        examples.x_train.shape[1:],
        examples.y_train.shape[1],
        **cell.model_dump(include=NETWORK),
    )
    runs = training.train(
        build,
        examples,
        {cell.mode: cell.settings},
        seeds=seeds,
        steps=cell.steps,
        batch_size=cell.batch_size,
        every=max(1, cell.steps // LOGS),
    )
    for run in runs:
        final = {name: run.curves[name][-1] for name in ("test_accuracy", "test_loss", "train_loss")}
        yield Record(final, run.curves, data=identity)


EXPERIMENT = Experiment("synthetic", 1, Configuration, train, stack=10)
run = EXPERIMENT.run

MODES = ["backpropagation", "no backpropagation", "DNI", "cDNI"]
CONVOLUTIONAL = {
    "dataset": ["cifar10"],
    "network": ["convolutional"],
    "width": [32],
    "batch_size": [64],
    "learning_rate": [1e-3],
    "steps": [1500],
}

PUBLISHED = {
    "batch_norm": ["inference"],
    "learning_rate": [3e-5],
    "epsilon": [1e-8],
    "batch_size": [250],
    "steps": [500_000],
}

STUDY = Study(
    "synthetic",
    EXPERIMENT,
    plan(
        (grid(Configuration, mode=MODES), 5),
        (grid(Configuration, update_probability=[0.2, 0.05, 0.5, 0.1]), 5),
        (grid(Configuration, depth=[6, 4, 5], mode=["cDNI", "DNI", "backpropagation"]), 5),
        (grid(Configuration, target=["true"]), 5),
        (grid(Configuration, mode=["no backpropagation"], initializer=["glorot_uniform"]), 5),
        (grid(Configuration, predictor_layers=[1, 2], mode=["cDNI", "DNI"]), 5),
        (grid(Configuration, predict_inputs=[True], update_probability=[1, 0.2]), 5),
        (grid(Configuration, in_turn=[True], update_probability=[1, 0.2]), 5),
        (grid(Configuration, **CONVOLUTIONAL, mode=MODES), 5),
        (grid(Configuration, **PUBLISHED, mode=["backpropagation"]), 3),
        (grid(Configuration, **PUBLISHED, update_probability=[0.2], in_turn=[True, False]), 3),
        (grid(Configuration, steps=[500_000], update_probability=[0.2]), 3),
        (grid(Configuration, steps=[500_000], mode=["backpropagation"]), 3),
    ),
)

"""How long students take: a network of every family at one budget, timed in turns."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from statistics import median
from typing import TYPE_CHECKING

from pydantic import Field

from gradbook.data import load
from gradbook.data.dataset import Dataset
from gradbook.errors import InputError
from gradbook.seeds import set_seed
from gradbook.studies import experiment
from gradbook.studies.experiment import Experiment, Record
from gradbook.studies.study import Study, grid, plan
from gradbook.timing import in_turns

if TYPE_CHECKING:
    import keras


class Configuration(experiment.Configuration):
    """Networks that are compared.

    Attributes:
        dataset: what `gradbook.data.load` takes; images.
        depth, width: of the wide residual networks.
        budget: parameters that each is brought to; families without a hyperparameter keep their own size.
        batch_size: images that go through a network at once.
        rounds: turns that each network takes.
    """

    dataset: str = "digits"
    depth: int = Field(10, ge=10)
    width: int = Field(1, ge=1)
    budget: int = Field(12_000, ge=1)
    batch_size: int = Field(100, ge=1)
    rounds: int = Field(30, ge=1)


def train(cell: Configuration, seeds: Sequence[int]) -> Iterator[Record]:
    """Time a batch through each network; they take turns, so that whatever else the machine does meets all alike.

    Yields:
        Records. Metrics: ``FAMILY_milliseconds`` of each family that can meet the budget, the median of its turns.
        Curves: ``FAMILY_milliseconds``, one entry per turn.

    Raises:
        InputError: a dataset without images.
    """
    dataset = load(cell.dataset).require_images()
    images = dataset.x_test[: cell.batch_size]
    for seed in seeds:
        set_seed(seed)
        passes = {
            f"{family}_milliseconds": lambda number, network=network: network.predict_on_batch(images)
            for family, network in networks(cell, dataset).items()
        }
        curves = in_turns(passes, cell.rounds)
        yield Record({name: median(taken) for name, taken in curves.items()}, curves, data=dataset.identity)


def networks(cell: Configuration, dataset: Dataset) -> "dict[str, keras.Model]":
    """Return a network of each family that can meet the budget, and of those that have but one size."""
    from gradbook.lowrank.budget import Sizes, fit
    from gradbook.lowrank.convs import FAMILIES
    from gradbook.lowrank.networks import wide_resnet

    build = partial(wide_resnet, cell.depth, cell.width, len(dataset.classes), shape=dataset.x_train.shape[1:])
    sizes, convolutions = Sizes(build), {}
    for name, family in FAMILIES.items():
        with suppress(InputError):
            convolutions[name] = fit(sizes, cell.budget, family=name).convolution if family.hyperparameter else family()
    return {name: build(convolution=convolution) for name, convolution in convolutions.items()}


EXPERIMENT = Experiment("lowrank_times", 1, Configuration, train)
run = EXPERIMENT.run

STUDY = Study(
    "lowrank_times",
    EXPERIMENT,
    plan((grid(Configuration, dataset=["cifar10"], depth=[16], width=[2], budget=[36_000, 56_000]), 2)),
)
"""What a batch costs each family's student at the budgets of ``lowrank``; to be run alone, with ``--workers 1``."""

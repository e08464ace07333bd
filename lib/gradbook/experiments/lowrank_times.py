"""How long students take: a network of every family at one budget, timed in turns."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from gradbook.data import load
from gradbook.errors import InputError
from gradbook.seeds import set_seed
from gradbook.studies import experiment
from gradbook.studies.experiment import Experiment, Record
from gradbook.timing import Stopwatch, in_turns

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


def run(configuration: Configuration, seeds: Sequence[int]) -> list[Record]:
    """Time a batch through each network; they take turns, so that whatever else the machine does meets all alike.

    Returns:
        A record a seed. Metrics: ``FAMILY_milliseconds`` of each family that can meet the budget, the median of its
        turns. Curves: ``FAMILY_milliseconds``, an entry a turn.

    Raises:
        InputError: a dataset without images.
    """
    return [_record(configuration, seed) for seed in seeds]


def _record(configuration: Configuration, seed: int) -> Record:
    from gradbook.lowrank.networks import wide_resnet

    c, dataset = configuration, load(configuration.dataset).require_images()
    images = dataset.x_test[: c.batch_size]
    with Stopwatch() as watch:
        set_seed(seed)
        build = partial(wide_resnet, c.depth, c.width, len(dataset.classes), shape=images.shape[1:])
        taken = in_turns(passes(networks(build, c.budget), images), c.rounds)
    curves = {f"{family}_milliseconds": values for family, values in taken.items()}
    metrics = {name: median(values) for name, values in curves.items()}
    return Record(metrics, curves, watch.seconds, watch.peak_memory, dataset.identity)


def networks(build: "Callable[..., keras.Model]", budget: int) -> "dict[str, keras.Model]":
    """A network of each family that can meet the budget, and of those that have but one size."""
    from gradbook.lowrank.budget import Sizes, fit
    from gradbook.lowrank.convs import FAMILIES

    sizes, convolutions = Sizes(lambda convolution: build(convolution=convolution)), {}
    for name, family in FAMILIES.items():
        with suppress(InputError):
            convolutions[name] = fit(sizes, budget, family=name).convolution if family.hyperparameter else family()
    return {name: build(convolution=convolution) for name, convolution in convolutions.items()}


def passes(networks: "Mapping[str, keras.Model]", images: np.ndarray) -> dict[str, Callable[[int], np.ndarray]]:
    """What takes the images through each network, as one compiled batch."""
    return {
        name: lambda number, network=network: network.predict_on_batch(images) for name, network in networks.items()
    }


EXPERIMENT = Experiment("lowrank_times", 1, Configuration, run)

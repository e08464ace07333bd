"""How long students take: a network of every family at one budget, timed in turns."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from gradbook import experiment
from gradbook.data import load
from gradbook.errors import InputError
from gradbook.experiment import Experiment, Record, Stopwatch
from gradbook.seeds import set_seed

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

    c, dataset = configuration, load(configuration.dataset)
    if not isinstance(dataset.x_test, np.ndarray):
        raise InputError(f"dataset must hold images; {dataset.name!r} holds none.")
    images = dataset.x_test[: c.batch_size]
    with Stopwatch() as watch:
        set_seed(seed)
        build = partial(wide_resnet, c.depth, c.width, len(dataset.classes), shape=images.shape[1:])
        taken = in_turns(networks(build, c.budget), images, c.rounds)
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


def in_turns(networks: "Mapping[str, keras.Model]", images: np.ndarray, rounds: int) -> dict[str, list[float]]:
    """Milliseconds that the images take through each network, a number a round, after a first one that compiles."""
    taken: dict[str, list[float]] = {name: [] for name in networks}
    for network in networks.values():
        network.predict_on_batch(images)
    for _ in range(rounds):
        for name, network in networks.items():
            start = time.perf_counter()
            network.predict_on_batch(images)
            taken[name].append(1000 * (time.perf_counter() - start))
    return taken


EXPERIMENT = Experiment("lowrank_times", 1, Configuration, run)

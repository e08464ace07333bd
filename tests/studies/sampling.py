"""Experiments that cost nothing and misbehave on request, importable by the workers of a sweep."""

import os
import random
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from gradbook.studies.experiment import Configuration, Experiment, Record
from gradbook.studies.store import Store
from gradbook.studies.study import Study, grid, key


class Sample(Configuration):
    """What a sample does: how it behaves, how long it takes, and the file in which it notes its executions."""

    size: float = 1.0
    does: Literal["finish", "raise", "die", "break the stack", "draw"] = "finish"
    pause: float = 0.0
    log: str = ""


class Execution(NamedTuple):
    """A line of the log."""

    size: float
    seed: int
    worker: int
    stack: int
    time: float


def run(configuration: Sample, seeds: Sequence[int]) -> list[Record]:
    """Note the execution, misbehave if asked to, and measure something exact."""
    if configuration.log:
        with Path(configuration.log).open("a") as log:
            for seed in seeds:
                log.write(f"{configuration.size} {seed} {os.getpid()} {len(seeds)} {time.time()}\n")
    os.write(2, b"a library below Python says something\n")
    random.seed(0)
    time.sleep(configuration.pause)
    if configuration.does == "raise" or (configuration.does == "break the stack" and 1 in seeds):
        raise ValueError(f"no sample of size {configuration.size}")
    if configuration.does == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if configuration.does == "draw":
        return [Record({"drawn": random.random()}) for _ in seeds]
    return [measured(configuration.size, seed) for seed in seeds]


def measured(size: float, seed: int) -> Record:
    """The exact record of a sample."""
    curve = [size / (step + 1) + seed for step in range(3)]
    return Record({"third": size / 3 + seed}, {"test_loss": curve}, seconds=0.25, peak_memory=1024, data="none:0")


SAMPLES = Experiment("samples", 1, Sample, run)
STACKS = Experiment("stacks", 1, Sample, run, stack=4)


def samples(count: int, *, log: Path | str = "", pause: float = 0.0) -> Study:
    """A study of as many runs, one a cell."""
    return Study("samples", SAMPLES, grid(Sample, size=range(count), pause=[pause], log=[str(log)]))


def executions(log: Path) -> list[Execution]:
    """What the log says, first execution first."""
    lines = log.read_text().splitlines() if log.exists() else []
    types = Execution.__annotations__.values()
    return [Execution(*(read(word) for read, word in zip(types, line.split(), strict=True))) for line in lines]


def recorded(study: Study, path: Path) -> set[float]:
    """The sizes whose runs are finished in the store."""
    with Store(path) as store:
        errors = store.errors(study.experiment)
    return {run.size for run in study.configurations if errors.get(key(study.experiment, run)) == ""}

"""Experiments that cost nothing and misbehave on request, importable by the workers of a sweep."""

import os
import random
import signal
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, NamedTuple

from gradbook.studies.experiment import Configuration, Experiment, Record
from gradbook.studies.store import Outcome, Store
from gradbook.studies.study import Run, Study, grid, plan


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


def train(cell: Sample, seeds: Sequence[int]) -> Iterator[Record]:
    """Note the execution, misbehave if asked to, and measure something exact."""
    if cell.log:
        with Path(cell.log).open("a") as log:
            for seed in seeds:
                log.write(f"{cell.size} {seed} {os.getpid()} {len(seeds)} {time.time()}\n")
    os.write(2, b"a library below Python says something\n")
    random.seed(0)
    time.sleep(cell.pause)
    if cell.does == "raise" or (cell.does == "break the stack" and 1 in seeds):
        raise ValueError(f"no sample of size {cell.size}")
    if cell.does == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    for seed in seeds:
        yield Record({"drawn": random.random()}) if cell.does == "draw" else measured(cell.size, seed)


def measured(size: float, seed: int) -> Record:
    """Return the exact record of a sample, without its cost."""
    curve = [size / (step + 1) + seed for step in range(3)]
    return Record({"third": size / 3 + seed}, {"test_loss": curve}, data="none:0")


SAMPLES = Experiment("samples", 1, Sample, train)
STACKS = Experiment("stacks", 1, Sample, train, stack=4)
STUDY = Study("samples", SAMPLES, plan((grid(Sample, size=[1, 2], does=["finish", "raise"]), 1)))


def samples(count: int, *, log: Path | str = "", pause: float = 0.0) -> Study:
    """Make a study of as many runs, one a cell."""
    return Study("samples", SAMPLES, plan((grid(Sample, size=range(count), pause=[pause], log=[str(log)]), 1)))


def finished(runs: Iterable[Run], origin: dict) -> list[Outcome]:
    """Make the outcomes of runs that went well, each of a quarter of a second."""
    costly = [(run, replace(measured(run.cell.size, run.seed), seconds=0.25, peak_memory=1024)) for run in runs]
    return [Outcome(run, record, "", origin) for run, record in costly]


def executions(log: Path) -> list[Execution]:
    """What the log says, first execution first."""
    lines = log.read_text().splitlines() if log.exists() else []
    types = Execution.__annotations__.values()
    return [Execution(*(read(word) for read, word in zip(types, line.split(), strict=True))) for line in lines]


def recorded(study: Study, path: Path) -> set[float]:
    """The sizes whose runs are finished in the store."""
    with Store(path) as store:
        errors = store.errors(study.experiment)
    return {run.cell.size for key, run in study.runs.items() if errors.get(key) == ""}

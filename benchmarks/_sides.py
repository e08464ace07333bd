"""Sides that do the same work: first their numbers, then their time, in turns, each in a process of its own."""

import importlib
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.util import find_spec
from multiprocessing import get_context
from typing import TYPE_CHECKING, Protocol
from unittest.mock import patch

import numpy as np
import pandas as pd

from gradbook.timing import in_turns, peak_memory
from gradbook.training import cores

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    import torch


class Loop(Protocol):
    """A loop of training, ready to start."""

    def __call__(self, number: int) -> object:
        """Do the work of a round; return when it is done."""

    def weights(self) -> list[np.ndarray]:
        """Return them as they stand, in an order and in shapes that all sides have in common."""


@dataclass(frozen=True)
class Together:
    """Loops of several seeds, as a study runs them: one thread per processor, and on it one seed after the other."""

    loops: Sequence[Callable[[int], object]]

    def __call__(self, number: int) -> None:
        """Make a round of each."""
        with ThreadPoolExecutor(cores()) as pool:
            list(pool.map(lambda loop: loop(number), self.loops))


@dataclass(frozen=True)
class Side:
    """One way to do the work.

    Attributes:
        build: makes the loop.
        steps: in a round, of every seed.
        seeds: trained in a round.
        needs: a package that has to be installed for it.
    """

    build: Callable[[], Loop | Callable[[int], object]]
    steps: int = 1
    seeds: int = 1
    needs: str = "gradbook"


def present(sides: Mapping[str, Side]) -> dict[str, Side]:
    """Select those whose packages are installed."""
    return {name: side for name, side in sides.items() if find_spec(side.needs)}


def agree(sides: Mapping[str, Side], rounds: int, tolerance: float) -> None:
    """Raise unless all sides move their weights alike: the difference from the first is small beside its way."""
    ways = {}
    for name, side in present(sides).items():
        loop = side.build()
        before = [np.array(values) for values in loop.weights()]
        for number in range(rounds):
            loop(number)
        ways[name] = [after - values for after, values in zip(loop.weights(), before, strict=True)]
    first, *_ = ways.values()
    length = np.sqrt(sum(np.sum(part**2) for part in first))
    for name, way in ways.items():
        apart = np.sqrt(sum(np.sum((a - b) ** 2) for a, b in zip(way, first, strict=True))) / length
        if not apart < tolerance:
            raise AssertionError(f"{name} moves otherwise than {next(iter(ways))}: {apart:.1e} of the way.")


def compare(module: str, rounds: int) -> pd.DataFrame:
    """Measure a module's ``SIDES``, each in a process of its own, with one thread or one a core, whichever is faster.

    Returns:
        One row per side: milliseconds per step and seed, on the clock and of processors, how many times as fast as the
        first, and the peak memory of its process, TensorFlow included.
    """
    sides = present(importlib.import_module(module).SIDES)
    with ExitStack() as processes:
        loops = {
            (name, threads): processes.enter_context(Elsewhere(module, name, threads))
            for name in sides
            for threads in sorted({1, os.cpu_count() or 1})
        }
        timed = in_turns(loops, rounds)
    best = {
        name: min((key for key in loops if key[0] == name), key=lambda key: np.median(timed[key])) for name in sides
    }
    steps = {name: side.steps * side.seeds for name, side in sides.items()}
    median = {name: np.median(timed[key]) / steps[name] for name, key in best.items()}
    first, *_ = median.values()
    return pd.DataFrame(
        {
            "loop": name,
            "threads": key[1],
            "ms a step and seed": f"{median[name]:.2f}",
            "quartiles": quartiles(np.array(timed[key]) / steps[name]),
            "of processors": f"{1e3 * np.median(loops[key].processor[1:]) / steps[name]:.2f}",
            "times as fast": f"{first / median[name]:.2f}",
            "peak memory": f"{loops[key].peak_memory / 2**30:.2f} GiB",
        }
        for name, key in best.items()
    )


class Elsewhere:
    """A side in a process of its own, in which an operation takes so many threads; called like its loop.

    Attributes:
        processor: seconds that the processors worked in each round.
        peak_memory: of the process so far.
    """

    def __init__(self, module: str, name: str, threads: int) -> None:
        settings = dict.fromkeys(("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "NPROC"), str(threads))  # NPROC is JAX's
        context, self.processor, self.peak_memory = get_context("spawn"), [], 0
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, module, name), daemon=True)
        with patch.dict(os.environ, settings):
            self.process.start()

    def __call__(self, number: int) -> None:
        """Let it make a round."""
        self.connection.send(number)
        seconds, self.peak_memory = self.connection.recv()
        self.processor.append(seconds)

    def __enter__(self) -> "Elsewhere":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.join()


def _serve(connection: "Connection", module: str, name: str) -> None:
    loop = importlib.import_module(module).SIDES[name].build()
    while True:
        number, start = connection.recv(), time.process_time()
        loop(number)
        connection.send((time.process_time() - start, peak_memory()))


def adam_step(optimizer: "torch.optim.Adam", number: int, epsilon: float) -> None:
    """Make step number + 1 of PyTorch's Adam, with ε beside the uncorrected root, where Keras has it."""
    for group in optimizer.param_groups:
        group["eps"] = epsilon / (1 - group["betas"][1] ** (number + 1)) ** 0.5
    optimizer.step()


def quartiles(values: np.ndarray | list[float]) -> str:
    """Return the first and the third, as tables show them."""
    return "–".join(f"{q:.2f}" for q in np.percentile(values, [25, 75]))


def memory(module: str, name: str) -> str:
    """Measure the highest of a process in which one of a module's sides makes two rounds, TensorFlow included."""
    with Elsewhere(module, name, os.cpu_count() or 1) as loop:
        loop(0)
        loop(1)
    return f"{loop.peak_memory / 2**30:.2f} GiB"

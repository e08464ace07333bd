"""Sides that do the same work: first their numbers, then their time in turns and their memory apart."""

import importlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from multiprocessing import get_context
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pandas as pd

from gradbook.timing import Stopwatch, in_turns
from gradbook.training import cores

if TYPE_CHECKING:
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
    """Measure a module's ``SIDES``: milliseconds per step and seed, how many times as fast as the first, memory."""
    sides = present(importlib.import_module(module).SIDES)
    timed = in_turns({name: side.build() for name, side in sides.items()}, rounds)
    timed = {name: np.array(values) / sides[name].steps / sides[name].seeds for name, values in timed.items()}
    first = np.median(next(iter(timed.values())))
    return pd.DataFrame(
        {
            "loop": name,
            "ms a step and seed": f"{np.median(values):.2f}",
            "quartiles": quartiles(values),
            "times as fast": f"{first / np.median(values):.2f}",
            "peak memory": memory(module, name),
        }
        for name, values in timed.items()
    )


def adam_step(optimizer: "torch.optim.Adam", number: int, epsilon: float) -> None:
    """Make step number + 1 of PyTorch's Adam, with ε beside the uncorrected root, where Keras has it."""
    for group in optimizer.param_groups:
        group["eps"] = epsilon / (1 - group["betas"][1] ** (number + 1)) ** 0.5
    optimizer.step()


def quartiles(values: np.ndarray | list[float]) -> str:
    """Return the first and the third, as tables show them."""
    return "–".join(f"{q:.2f}" for q in np.percentile(values, [25, 75]))


def memory(module: str, name: str) -> str:
    """Measure the highest of a process in which one of a module's sides alone makes two rounds, TensorFlow included."""
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        return f"{process.submit(_two_rounds, module, name).result() / 2**30:.2f} GiB"


def _two_rounds(module: str, name: str) -> int:
    loop = importlib.import_module(module).SIDES[name].build()
    with Stopwatch() as watch:
        loop(0)
        loop(1)
    return watch.peak_memory

"""Depth: an iteration of the library on MNIST with 50, 100 and 200 layers, one seed."""

from functools import partial

import pandas as pd

from benchmarks._sides import Side, compare
from benchmarks.gradnets import CONFIGURATION, ROUNDS, STEPS, Seed

SIDES = {
    f"{depth} layers": Side(partial(Seed, CONFIGURATION.model_copy(update={"depth": depth})), STEPS)
    for depth in (50, 100, 200)
}


def measure() -> pd.DataFrame:
    """One row per depth."""
    return compare(__name__, ROUNDS)

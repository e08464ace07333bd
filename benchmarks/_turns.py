"""Loops timed in turns, so that whatever else the machine does meets them alike."""

import statistics
import time
from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd


def in_turns(loops: Mapping[str, Callable[[int], object]], rounds: int) -> pd.DataFrame:
    """Median and quartiles of the milliseconds a call, and how many times as fast as the first loop each is.

    Args:
        loops: by name, called with the number of the round; a call returns when its work is done.
        rounds: how often each is called.
    """
    milliseconds: dict[str, list[float]] = {name: [] for name in loops}
    for number in range(rounds):
        for name, loop in loops.items():
            start = time.perf_counter()
            loop(number)
            milliseconds[name].append(1e3 * (time.perf_counter() - start))
    medians = {name: statistics.median(values) for name, values in milliseconds.items()}
    first = next(iter(medians.values()))
    return pd.DataFrame(
        {
            "loop": name,
            "median ms a step": f"{medians[name]:.1f}",
            "quartiles": "–".join(f"{q:.1f}" for q in np.percentile(values, [25, 75])),
            "times as fast": f"{first / medians[name]:.2f}",
        }
        for name, values in milliseconds.items()
    )

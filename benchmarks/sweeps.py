"""Sweeps: what scheduling and recording a run costs beyond the run itself."""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from gradbook.experiment import Configuration, Experiment, Record
from gradbook.studies.store import Store
from gradbook.studies.study import Study, grid
from gradbook.studies.sweep import sweep

RUNS = 10_000


def nothing(configuration: Configuration, seeds: Sequence[int]) -> list[Record]:
    """A run that is over at once."""
    return [Record({"nothing": 0.0}) for _ in seeds]


def measure() -> pd.DataFrame:
    """Wall-clock milliseconds a run, cluster started and stopped included, beside their limit."""
    study = Study("nothing", Experiment("nothing", 1, Configuration, nothing), grid(Configuration, seed=range(RUNS)))
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "store.sqlite") as store:
        start = time.perf_counter()
        done = sweep(study, store, folder=Path(folder)).done
        cost = (time.perf_counter() - start) / len(done)
    return pd.DataFrame(
        [{"what": f"overhead a run, {len(done)} runs", "cost": f"{cost * 1e3:.1f} ms", "limit": "20 ms"}]
    )

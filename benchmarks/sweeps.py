"""Sweeps: what scheduling and recording a run costs beyond the run itself, and what a second worker brings."""

import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from gradbook.experiments import imdb
from gradbook.studies.experiment import Configuration, Experiment, Record
from gradbook.studies.store import Store
from gradbook.studies.study import Study, grid, plan
from gradbook.studies.sweep import sweep

RUNS = 10_000
REVIEWS = grid(imdb.Configuration, patience=[1], weight=[*range(1, 101)])
THREADS = "TF_NUM_INTRAOP_THREADS"


def nothing(cell: Configuration, seeds: Sequence[int]) -> Iterator[Record]:
    """Yield records at once."""
    for _ in seeds:
        yield Record({"step": 0.0})


def measure() -> pd.DataFrame:
    """Measure wall-clock time per run, the cluster's start and end included, beside its limit."""
    trivial = Study("nothing", Experiment("nothing", 1, Configuration, nothing), plan(([Configuration()], RUNS)))
    reviews = Study("reviews", imdb.EXPERIMENT, plan((REVIEWS, 1)))
    rows = [{"what": f"overhead, {RUNS} runs", "cost a run": f"{1e3 * _seconds(trivial):.1f} ms", "limit": "20 ms"}]
    os.environ[THREADS] = "1"
    one, two = (_seconds(reviews, workers) for workers in (1, 2))
    del os.environ[THREADS]
    rows += [
        {"what": f"{len(REVIEWS)} short runs on toy reviews, one worker of one thread", "cost a run": f"{one:.1f} s"},
        {
            "what": "the same, two workers",
            "cost a run": f"{two:.1f} s",
            "times as fast": f"{one / two:.2f}",
            "limit": "1.8 times",
        },
    ]
    return pd.DataFrame(rows, columns=["what", "cost a run", "times as fast", "limit"]).fillna("")


def _seconds(study: Study, workers: int | None = None) -> float:
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "store.sqlite") as store:
        start = time.perf_counter()
        done = sweep(study, store, workers=workers, folder=Path(folder)).done
        return (time.perf_counter() - start) / len(done)

"""How far a study is: which of its runs are done, which failed, and which are still to do."""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gradbook.studies import results
from gradbook.studies.store import Store
from gradbook.studies.study import Study


@dataclass(frozen=True)
class Status:
    """The runs of a study by state, each in the study's order.

    Attributes:
        study: the study.
        done: keys of the runs that are finished, be it in the store or in the committed results.
        failed: key → error.
        waiting: keys of the runs that no attempt has ended of.
    """

    study: Study
    done: list[str]
    failed: dict[str, str]
    waiting: list[str]

    def __str__(self) -> str:
        """Say the counts, and in a line each failed run with the last line of its error."""
        counts = f"{len(self.done)} done, {len(self.failed)} failed, {len(self.waiting)} waiting"
        errors = (f"{self.label(key)}: {error.splitlines()[-1]}" for key, error in self.failed.items())
        return "\n  ".join([f"{self.study.name}: {counts}", *errors])

    def label(self, key: str) -> str:
        """Return a run in words."""
        return self.study.label(self.study.runs[key])


def status(study: Study, store: Store, folder: Path = results.FOLDER) -> Status:
    """Sort a study's runs by what the store and the results in ``folder`` know of them."""
    errors = store.errors(study.experiment) | dict.fromkeys(results.keys(study.name, folder), "")
    return Status(
        study,
        done=[key for key in study.runs if errors.get(key) == ""],
        failed={key: errors[key] for key in study.runs if errors.get(key)},
        waiting=[key for key in study.runs if key not in errors],
    )


def still_to_run(study: Study, folder: Path = results.FOLDER) -> tuple[int, float]:
    """Return how many planned runs the committed results lack, and the core-hours that they would take.

    A run takes what the measured runs of its cell took on the mean, on the machines that ran them; where its cell has
    none, what the runs of the study's slowest cell took. The hours are NaN where no planned run was measured.

    Raises:
        InputError: the study has no committed results.
    """
    measured = results.load(study.name, folder).set_index("key")["seconds"]
    cells = defaultdict(list)
    for key, run in study.runs.items():
        cells[run.cell].append(key)
    means = {cell: measured.reindex(keys).mean() for cell, keys in cells.items()}
    slowest = max((mean for mean in means.values() if not np.isnan(mean)), default=np.nan)
    lacking = {cell: sum(key not in measured.index for key in keys) for cell, keys in cells.items()}
    seconds = sum(count * (slowest if np.isnan(means[cell]) else means[cell]) for cell, count in lacking.items())
    return sum(lacking.values()), float(seconds) / 3600

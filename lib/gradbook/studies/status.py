"""How far a study is: which of its runs are done, which failed, and which are still to do."""

from dataclasses import dataclass
from pathlib import Path

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

"""What is known of each chapter's last execution: its cost, and whether the twin is current."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gradbook.press.chapters import QUICK, Chapter
from gradbook.press.checkout import read_json
from gradbook.press.execute import Job


@dataclass(frozen=True)
class Status:
    """One chapter's status: an execution, if there was one, and why its twin is stale, if it is."""

    chapter: Chapter
    record: dict[str, Any]
    stale: list[str]

    @property
    def verdict(self) -> str:
        """``current``, ``stale: …`` with what changed, or ``never executed``."""
        if not self.record:
            return "never executed"
        return f"stale: {', '.join(self.stale)}" if self.stale else "current"


def status(root: Path, chapter: Chapter, *, published: bool = False) -> Status:
    """Return the status of a chapter's twin after its last execution here, or after the one that was published."""
    job = Job(root, chapter, QUICK, {})
    record = read_json(published_record(root, chapter) if published else job.record)
    return Status(chapter, record, job.stale(record) if record else [])


def published_record(root: Path, chapter: Chapter) -> Path:
    """Return where ``gradbook execute --record`` keeps what the pages' cost and status lines read."""
    return root / "book/records" / f"{chapter.name}.json"


def cost(record: dict[str, Any]) -> str:
    """Return a record's cost in words.

    >>> machine = {"processor": "Xeon", "cores": 2}
    >>> cost({"seconds": 21.4, "peak_memory": 9e8, "machine": machine, "finished": "2026-11-21T10:00"})
    '21 s and 0.9 GB on Xeon, 2 cores (2026-11-21)'
    """
    if not record:
        return "not measured yet"
    return f"{record['seconds']:.0f} s and {memory(record)} on {machine(record)} ({record['finished'][:10]})"


def expected(root: Path, jobs: Sequence[Job], processes: int) -> str:
    """Return what is about to be executed, and how long that takes by what was recorded for the book."""
    known = [read_json(published_record(root, job.chapter)).get("seconds", 0.0) for job in jobs]
    seconds = max([sum(known) / processes, *known])
    chapters = f"{len(jobs)} chapter{'s' * (len(jobs) > 1)}"
    return f"{chapters}, about {seconds:.0f} s" if seconds else chapters


def memory(record: dict[str, Any]) -> str:
    """Return a record's peak memory in words."""
    return f"{record['peak_memory'] / 1e9:.1f} GB"


def machine(record: dict[str, Any]) -> str:
    """Return a record's machine in words."""
    return f"{record['machine']['processor']}, {record['machine']['cores']} cores"

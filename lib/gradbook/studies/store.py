"""The store: one SQLite file that holds one row per run, and is written by one process at a time."""

import json
import os
import sqlite3
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

from gradbook.errors import InputError, RunError
from gradbook.files import home, locked, readers
from gradbook.studies.experiment import Experiment, Record
from gradbook.studies.study import Run

FORMAT = 2

# A run is finished where `error` is null, and failed elsewhere.
SCHEMA = f"""
CREATE TABLE IF NOT EXISTS runs (
    key           TEXT PRIMARY KEY,  -- SHA-256 of experiment, version, configuration and seed
    experiment    TEXT NOT NULL,
    version       INTEGER NOT NULL,
    configuration TEXT NOT NULL,     -- JSON
    seed          INTEGER NOT NULL,
    metrics       TEXT,              -- JSON
    curves        BLOB,              -- JSON, compressed by zlib
    error         TEXT,
    seconds       REAL,
    peak_memory   INTEGER,           -- bytes
    data          TEXT,              -- name:sha256
    origin        TEXT NOT NULL,     -- JSON: commit, dirty or not, libraries, machine
    ended         TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%SZ'))
);
CREATE INDEX IF NOT EXISTS runs_of_experiment ON runs (experiment, version);
PRAGMA user_version = {FORMAT};
"""

# A finished run is never overwritten; a failed one is, by its next attempt.
INSERT = """
INSERT INTO runs
    (key, experiment, version, configuration, seed, metrics, curves, error, seconds, peak_memory, data, origin)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (key) DO UPDATE SET (metrics, curves, error, seconds, peak_memory, data, origin, ended) =
    (excluded.metrics, excluded.curves, excluded.error, excluded.seconds, excluded.peak_memory, excluded.data,
     excluded.origin, excluded.ended)
WHERE runs.error IS NOT NULL
"""


@dataclass(frozen=True)
class Outcome:
    """What came of one run.

    Attributes:
        run: what was run.
        record: what it measured; None if it failed.
        error: empty, or the error that stopped it, its last line the error's own.
        origin: see ``provenance.origin``.
    """

    run: Run
    record: Record | None
    error: str
    origin: dict[str, Any]


def default_path() -> Path:
    """Return ``$GRADBOOK_STORE``, else ``studies.sqlite`` in the user's data folder."""
    if given := os.environ.get("GRADBOOK_STORE"):
        return readers(given)
    try:
        return platformdirs.user_data_path("gradbook") / "studies.sqlite"
    except RuntimeError:  # a user without a home
        return home() / "gradbook/studies.sqlite"


class Store:
    """The runs in one SQLite file, created where it is missing; use it in a ``with`` block.

    What ``add`` has written survives the end of the process and of the machine (write-ahead log, synchronised at
    every transaction). Keep the file on a disk of the machine that sweeps: SQLite's log does not work across a network.

    Raises:
        InputError: the file is not a store, or one that another version of the book wrote.
        RunError: the file cannot be read or written, for instance on a full disk.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = readers(path) if path else default_path()
        with self._explained():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with locked(Path(f"{self.path}.lock")):
                self._database = sqlite3.connect(self.path, timeout=60)
                try:
                    self._prepare()
                except BaseException:
                    self._database.close()
                    raise

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def add(self, outcomes: Iterable[Outcome]) -> None:
        """Write outcomes in one transaction; on return they are on the disk."""
        rows = [_row(outcome) for outcome in outcomes]
        with self._explained(), self._database:
            self._database.executemany(INSERT, rows)

    def errors(self, experiment: Experiment) -> dict[str, str]:
        """Return, by key, the error of every run of the experiment at its present version; "" for finished runs."""
        return dict(self._select("key, coalesce(error, '')", experiment))

    def records(self, experiment: Experiment) -> Iterator[tuple[str, int, Record, dict[str, Any]]]:
        """Yield key, seed, record and origin of every finished run of the experiment at its present version."""
        columns = "key, seed, metrics, curves, seconds, peak_memory, data, origin"
        rows = self._select(columns, experiment, "AND error IS NULL")
        for key, seed, metrics, curves, seconds, peak_memory, data, origin in rows:
            record = Record(json.loads(metrics), json.loads(zlib.decompress(curves)), seconds, peak_memory, data)
            yield key, seed, record, json.loads(origin)

    @contextmanager
    def reserve(self, experiment: Experiment, waiting: Callable[[], None]) -> Iterator[None]:
        """Make this process the only one that sweeps this experiment into this store, however it may end.

        While another one is, ``waiting`` is called once, and this one waits.
        """
        with locked(Path(f"{self.path}.{experiment.name}.lock"), waiting):
            yield

    def _prepare(self) -> None:
        version = self._database.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, FORMAT):
            newer = "a later version of the book wrote it"
            older = "move it away after exporting its results with the version of the book that wrote it"
            raise InputError(
                f"store {self.path} has format {version}, and this version of the book reads format {FORMAT}: "
                f"{newer if version > FORMAT else older}."
            )
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        if version < FORMAT:
            self._database.executescript(SCHEMA)

    def _select(self, columns: str, experiment: Experiment, only: str = "") -> list[tuple]:
        query = f"SELECT {columns} FROM runs WHERE experiment = ? AND version = ? {only}"
        with self._explained():
            return self._database.execute(query, (experiment.name, experiment.version)).fetchall()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.OperationalError, OSError) as error:
            raise RunError(f"store {self.path}: {error}; what it held before is kept.") from error
        except sqlite3.DatabaseError as error:
            raise InputError(f"store {self.path} is not one of this book: {error}.") from error


def _row(outcome: Outcome) -> tuple:
    run, record = outcome.run, outcome.record
    measured = (
        (None, None, outcome.error, None, None, None)
        if record is None
        else (
            json.dumps(record.metrics, sort_keys=True),
            zlib.compress(json.dumps(record.curves, sort_keys=True).encode()),
            None,
            record.seconds,
            record.peak_memory,
            record.data,
        )
    )
    return (
        run.key,
        run.experiment.name,
        run.experiment.version,
        run.cell.model_dump_json(),
        run.seed,
        *measured,
        json.dumps(outcome.origin, sort_keys=True),
    )

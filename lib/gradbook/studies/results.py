"""Results that travel with the book: what a study measured, exported from the store to files that are committed::

    book/results/STUDY.csv     one row per run: seed, configuration, metrics, seconds, peak_memory (bytes), origin, key;
                               an entry is JSON, or plain text, or empty where a value is missing
    book/results/STUDY.json    the default configuration, what the column ``origin`` refers to (commit, libraries,
                               machine, data), and sums
    book/results/STUDY.npz     curves, in single precision: of each its values run after run, and how many each run has

Chapters and the ledger read these files and nothing else.
"""

import csv
import hashlib
import io
import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from gradbook.errors import InputError, unknown
from gradbook.files import BOOK, atomic_write
from gradbook.selection import nothing_left, select
from gradbook.studies.experiment import COST, Record
from gradbook.studies.store import Store
from gradbook.studies.study import Study

FOLDER = BOOK / "results"

Row = dict[str, Any]
Curves = dict[str, dict[str, np.ndarray]]  # key → name → float32 [steps]


class Results(pd.DataFrame):
    """A table with one row per run: its seed, the configuration's fields, the metrics, and what the run cost.

    ``load("concept").cell(dataset="mnist", rule="projection")["test_loss"].mean()`` is the mean of a cell,
    ``load("concept").select(rule=["projection", "multitask"]).curve("test_loss").mean()`` a mean curve.

    Attributes:
        stem: the path of the files that hold the study's results, without suffix; no such files where tables of several
            studies were joined.
        defaults: the fields of the configuration at their defaults.
    """

    _metadata = ("stem", "defaults")
    stem = Path("several studies")
    defaults: Mapping[str, Any] = MappingProxyType({})

    @property
    def _constructor(self) -> type["Results"]:
        return Results

    def select(self, **fields: Any) -> "Results":
        """Return the rows whose columns have the given values.

        Args:
            fields: for each column that matters a value (None: missing), or a list of values, of which one has to hold.

        Raises:
            InputError: no such column, or no row left.
        """
        chosen = select(self, **fields)
        if chosen.empty:
            raise nothing_left(f"results {self.stem.name!r}", fields, {name: self[name] for name in fields})
        return chosen

    def cell(self, **fields: Any) -> "Results":
        """Return the runs of the cell that has these values, and defaults in all fields that are not named.

        Raises:
            InputError: no such field, or no run of that cell.
        """
        for name in fields:
            if name not in self.defaults:
                raise unknown("field", name, self.defaults)
        chosen = select(self, **{name: [value] for name, value in {**self.defaults, **fields}.items()})
        if chosen.empty:
            raise nothing_left(f"results {self.stem.name!r}", fields, {name: self[name] for name in self.defaults})
        return chosen

    def curve(self, name: str) -> pd.DataFrame:
        """Return one curve of every run, float32 [runs, steps], with the rows of this table; short runs end in NaN.

        Raises:
            InputError: no run of the study has such a curve.
        """
        path = self.stem.with_suffix(".npz")
        if name not in (known := _curve_names(path)):
            raise unknown("curve", name, known)
        of_run = _read_curve(path, name)
        rows = [of_run.get(key, np.empty(0, np.float32)) for key in self["key"]]
        table = np.full((len(rows), max(map(len, rows), default=0)), np.nan, np.float32)
        for row, values in zip(table, rows, strict=True):
            row[: len(values)] = values
        return pd.DataFrame(table, self.index)


def load(study: str, folder: Path = FOLDER) -> Results:
    """Read the results of a study, one row per run.

    Raises:
        InputError: the book holds no results of that name.
    """
    rows = Results(_read_rows(_known(study, folder).with_suffix(".csv")))
    rows.stem, rows.defaults = folder / study, provenance(study, folder).get("defaults", {})
    return rows


def provenance(study: str, folder: Path = FOLDER) -> dict[str, Any]:
    """Read where results come from: ``experiment``, ``version``, ``defaults``, ``runs``, ``seconds``, ``origins``.

    Origins are the groups of runs that share ``commit``, ``dirty``, ``libraries``, ``machine`` and ``data``, by the
    names that the column ``origin`` of the results gives them; each says its ``runs`` and ``seconds`` too.

    Raises:
        InputError: the book holds no results of that name.
    """
    return _read_provenance(_known(study, folder).with_suffix(".json"))


def provenance_in_words(study: str, folder: Path = FOLDER) -> str:
    """Say the runs, seeds, data, commits, machines and hours behind a study's results, in one line.

    >>> provenance_in_words("lowrank", Path("nowhere"))
    'no runs yet'
    """
    if not keys(study, folder):
        return "no runs yet"
    seeds, about = load(study, folder)["seed"], provenance(study, folder)
    sources = [
        (
            f"{origin['data'].partition(':')[0]} {origin['data'].partition(':')[2][:8]}",
            f"{origin['commit'][:8] or 'unknown'}{' with changes' if origin['dirty'] else ''}",
            f"{origin['machine']['processor']}, {origin['machine']['cores']} cores",
        )
        for origin in about["origins"].values()
    ]
    data, commits, machines = (", ".join(dict.fromkeys(names)) for names in zip(*sources, strict=True))
    return (
        f"{about['runs']} runs, seeds {seeds.min()} to {seeds.max()}; data {data}; commit {commits}; "
        f"{machines}; {about['seconds'] / 3600:.1f} hours"
    )


def keys(study: str, folder: Path = FOLDER) -> list[str]:
    """Read the keys of a study's committed runs; none where nothing is committed."""
    return [row["key"] for row in _read_rows(folder / f"{study}.csv")]


@dataclass(frozen=True)
class Exported:
    """The numbers of an export: runs in all, those of them that are new, and committed ones that it left out."""

    runs: int
    added: int
    dropped: int


def export(study: Study, store: Store, folder: Path = FOLDER) -> Exported:
    """Bring a study's results up to date with the store: runs already committed stay, finished ones are added.

    Runs at any seed of the study's cells belong to it. Rows whose key is not one of these are dropped: they were
    measured by another version of the experiment, or in a cell that the study no longer has. Equal stores and
    committed files give equal bytes. The CSV is replaced last, so that an interrupted export can be repeated.

    Raises:
        InputError: no run has finished.
    """
    stem = folder / study.name
    rows = {row["key"]: row for row in _read_rows(stem.with_suffix(".csv"))}
    curves = _read_curves(stem.with_suffix(".npz"))
    origins = _read_provenance(stem.with_suffix(".json")).get("origins", {})
    committed, fields = set(rows), list(study.experiment.configuration.model_fields)
    seeds = {row["seed"] for row in rows.values()}
    for key, seed, record, origin in store.records(study.experiment):
        seeds.add(seed)
        if key not in committed:
            where = {**origin, "data": record.data}
            name = "o" + hashlib.sha256(json.dumps(where, sort_keys=True).encode()).hexdigest()[:8]
            origins[name] = where
            rows[key] = _row(record) | {"origin": name, "key": key}
            with np.errstate(over="ignore"):
                curves[key] = {curve: np.asarray(values, np.float32) for curve, values in record.curves.items()}

    members = {key: run for key, run in study.with_seeds(seeds).runs.items() if key in rows}
    if not members:
        raise InputError(f"study {study.name!r} has no finished run in {store.path}; run gradbook sweep first.")
    rows = {key: rows[key] | {"seed": run.seed} | run.cell.model_dump(mode="json") for key, run in members.items()}

    folder.mkdir(parents=True, exist_ok=True)
    for suffix, content in {
        ".json": _provenance_bytes(study, rows, origins),
        ".npz": _curves_bytes({key: curves.get(key, {}) for key in rows}),
        ".csv": _csv_bytes(fields, list(rows.values())),
    }.items():
        with atomic_write(stem.with_suffix(suffix)) as file:
            file.write(content)
    return Exported(len(rows), added=len(rows.keys() - committed), dropped=len(committed - rows.keys()))


def _known(study: str, folder: Path) -> Path:
    known = sorted(path.stem for path in folder.glob("*.csv"))
    if study not in known:
        raise unknown("results", study, known)
    return folder / study


def _row(record: Record) -> Row:
    return {**record.metrics, "seconds": round(record.seconds, 3), "peak_memory": record.peak_memory}


def literal(text: str) -> Any:
    """Return the value that JSON text stands for; text that is not JSON stands for itself.

    >>> literal("0.01"), literal("true"), literal("projection")
    (0.01, True, 'projection')
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _read_rows(path: Path) -> list[Row]:
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [{name: literal(cell) if cell else None for name, cell in row.items()} for row in csv.DictReader(file)]


def _csv_bytes(fields: list[str], rows: list[Row]) -> bytes:
    metrics = sorted({name for row in rows for name in row}.difference(["seed"], fields, COST))
    text = io.StringIO()
    writer = csv.DictWriter(text, ["seed", *fields, *metrics, *COST], lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    return text.getvalue().encode()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    plain = isinstance(value, str) and value.isprintable() and value and literal(value) == value  # "true" is text
    return value if plain else json.dumps(value)


def _read_curves(path: Path) -> Curves:
    curves: Curves = defaultdict(dict)
    for name in _curve_names(path):
        for key, values in _read_curve(path, name).items():
            curves[key][name] = values
    return curves


def _curve_names(path: Path) -> list[str]:
    if not path.exists():
        return []
    with np.load(path, allow_pickle=False) as arrays:
        return sorted(name.removeprefix("values/") for name in arrays if name.startswith("values/"))


def _read_curve(path: Path, name: str) -> dict[str, np.ndarray]:
    """Read one curve of the runs that have it, by their keys."""
    with np.load(path, allow_pickle=False) as arrays:
        ends = np.cumsum(arrays[f"lengths/{name}"])
        parts = np.split(arrays[f"values/{name}"], ends[:-1])
        return {key: part for key, part in zip(arrays["keys"].astype(str), parts, strict=True) if len(part)}


def _curves_bytes(curves: Curves) -> bytes:
    arrays = {"keys": np.array(list(curves), dtype="S64")}
    for name in sorted({name for run in curves.values() for name in run}):
        parts = [run.get(name, np.empty(0, np.float32)) for run in curves.values()]
        arrays[f"lengths/{name}"] = np.array([len(part) for part in parts], np.int32)
        arrays[f"values/{name}"] = np.concatenate(parts)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def _read_provenance(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def _provenance_bytes(study: Study, rows: Mapping[str, Row], origins: Mapping[str, Any]) -> bytes:
    def sums(chosen: list[Row]) -> dict[str, float]:
        return {"runs": len(chosen), "seconds": round(sum(row["seconds"] for row in chosen), 1)}

    groups = {name: [row for row in rows.values() if row["origin"] == name] for name in origins}
    text = {
        "study": study.name,
        "experiment": study.experiment.name,
        "version": study.experiment.version,
        "defaults": study.experiment.configuration().model_dump(mode="json"),
        **sums(list(rows.values())),
        "origins": {name: {**origins[name], **sums(chosen)} for name, chosen in groups.items() if chosen},
    }
    return (json.dumps(text, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()

"""Views: the cells of a study as an explorer shows them, every run beside what was published, and nothing else.

The options of a control are those that the study plans, so that a reader sees what is not measured yet.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from gradbook import experiments, published
from gradbook.errors import InputError
from gradbook.studies import results


@dataclass(frozen=True)
class Published:
    """Published numbers, and the cells that they stand beside.

    Attributes:
        where: fields that such cells have.
        quantity, setting, source: as in the chapter's table; a setting may name fields of the cell in braces.
        deviation: quantity of the standard deviation, if one was published.
    """

    where: Mapping[str, Any]
    quantity: str
    setting: str
    source: str
    deviation: str = ""


@dataclass(frozen=True)
class View:
    """How a study is explored.

    Attributes:
        chapter: ``NN_name``, whose published numbers count.
        metric: what is shown of a run.
        axis: the metric in words, with its unit.
        controls: fields to choose by, with the name that readers know them by; together they tell all cells apart.
        words: for values that do not speak for themselves, by field.
        published: what cells are compared with.
    """

    chapter: str
    metric: str
    axis: str
    controls: Mapping[str, str]
    words: Mapping[str, Mapping[Any, str]] = field(default_factory=dict)
    published: tuple[Published, ...] = ()


VIEWS = {
    "imdb": View(
        chapter="11_imdb",
        metric="test_loss",
        axis="test loss (nats)",
        controls={
            "rule": "rule",
            "weight": "λ",
            "alpha": "α",
            "shuffle_buffer": "shuffled",
            "last_batch": "last 32 reviews",
            "scope": "compared",
        },
        words={
            "shuffle_buffer": {1000: "within 1,000 reviews", 20_000: "as a whole"},
            "last_batch": {"keep": "a batch", "drop": "left out", "merge": "merged"},
            "scope": {"variable": "by variable", "global": "all at once"},
        },
        published=(
            Published(
                where={"shuffle_buffer": 1000, "last_batch": "keep", "scope": "variable"},
                quantity="test_loss_mean",
                setting="rule={rule}; weight={weight:g}; alpha={alpha:g}",
                source="vivien000 (2019), experiment-4.csv",
                deviation="test_loss_sd",
            ),
        ),
    ),
    "gradnets": View(
        chapter="30_gradnets",
        metric="test_accuracy",
        axis="test accuracy",
        controls={
            "tau": "τ",
            "depth": "depth",
            "gate": "gate",
            "layer": "layer",
            "initializer": "initializer",
            "keep": "dropout",
            "penalty": "penalty",
        },
        words={
            "gate": {None: "annealed within τ epochs", 0: "stays at 0", 1: "stays at 1"},
            "keep": {0.95: "5 %", 1: "none"},
            "initializer": {"he": "He"},
        },
        published=(
            Published(
                where={"tau": 10, "depth": 50, "gate": None, "layer": "identity", "initializer": "truncated_normal"},
                quantity="test_accuracy",
                setting="iteration 21900",
                source="ZhangBanger (2015), GradNets.ipynb",
            ),
            Published(
                where={"layer": "highway"},
                quantity="test_accuracy",
                setting="iteration 21900",
                source="ZhangBanger (2015), Highway Networks.ipynb",
            ),
        ),
    ),
    "lowrank": View(
        chapter="40_low_rank_convolutions",
        metric="test_accuracy",
        axis="test accuracy",
        controls={
            "family": "family",
            "budget": "parameters",
            "beta": "teacher",
            "shared_decay": "shared decay",
            "cutout": "cutout",
            "order": "shuffle",
            "learning_rate": "learning rate",
        },
        words={
            "budget": {None: "its own"},
            "beta": {0: "no", 1000: "yes"},
            "shared_decay": {"compressed": "lowered"},
            "order": {None: "its own"},
        },
    ),
}


@dataclass(frozen=True)
class Control:
    """A choice among a field's values, in words."""

    label: str
    options: list[str]


@dataclass(frozen=True)
class Cell:
    """Runs that differ in their seed only.

    Attributes:
        at: of each control which option.
        seeds, values: run after run, the values as measured.
        mean, deviation: of the values; a single run has no deviation.
        published: mean and deviation where they were published, and ``source``, in words.
        held: the fields that are no controls, in words.
    """

    at: tuple[int, ...]
    seeds: list[int]
    values: list[float]
    mean: float
    deviation: float | None
    published: dict[str, Any] | None
    held: str

    def beside(self, other: "Cell") -> bool:
        """Tell whether the two differ in one control."""
        return sum(mine != theirs for mine, theirs in zip(self.at, other.at, strict=True)) == 1


def explore(study: str, folder: Path = results.FOLDER) -> tuple[list[Control], list[Cell]]:
    """Return the controls of a study's view that leave a choice, and every cell that has runs.

    Raises:
        InputError: no results of that study, or cells that the controls do not tell apart.
    """
    view, runs = VIEWS[study], _plain(results.load(study, folder))
    planned = _plain(pd.DataFrame([cell.model_dump(mode="json") for cell in experiments.study(study).planned]))
    options = {name: known for name in view.controls if len(known := _in_order(planned[name])) > 1}
    held = [name for name in planned if name not in options]
    cells = []
    for _, group in runs.groupby([runs[name].map(known.index) for name, known in options.items()], sort=False):
        if mixed := [name for name in held if len(set(group[name])) > 1]:
            raise InputError(f"cells of study {study!r} differ in {', '.join(mixed)}, which must be controls.")
        fields, values = group.iloc[0].to_dict(), group[view.metric].astype(float)
        cells.append(
            Cell(
                at=tuple(known.index(fields[name]) for name, known in options.items()),
                seeds=[int(seed) for seed in group["seed"]],
                values=values.tolist(),
                mean=values.mean(),
                deviation=values.std() if len(values) > 1 else None,
                published=_published(view, fields),
                held=", ".join(f"{_text(name)} {_text(fields[name])}" for name in held if fields[name] is not None),
            )
        )
    words = {name: view.words.get(name, {}) for name in options}
    controls = [
        Control(view.controls[name], [words[name].get(value) or _text(value) for value in known])
        for name, known in options.items()
    ]
    return controls, cells


def _plain(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.astype(object).where(rows.notna(), None)


def _in_order(values: pd.Series) -> list[Any]:
    known = list(dict.fromkeys(values))
    numbers = not any(isinstance(value, str) for value in known)
    return sorted(known, key=lambda value: (value is not None, value or 0)) if numbers else known


def _text(value: Any) -> str:
    return value.replace("_", " ") if isinstance(value, str) else f"{value:,g}"


def _published(view: View, fields: Mapping[str, Any]) -> dict[str, Any] | None:
    for one in view.published:
        if all(fields[name] == value for name, value in one.where.items()):
            rows = published.load(view.chapter).query("source == @one.source").set_index(["setting", "quantity"])
            found = rows.loc[one.setting.format(**fields)]
            return {
                "mean": float(found.at[one.quantity, "value"]),
                "deviation": float(found.at[one.deviation, "value"]) if one.deviation else None,
                "source": ", ".join(filter(None, (one.source, found.at[one.quantity, "note"]))),
            }
    return None

"""What all experiments keep to: one vocabulary, cells without seeds, cheap imports, and results that are theirs."""

import re
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest

from gradbook import experiments
from gradbook.selection import plain
from gradbook.studies import results
from gradbook.studies.experiment import COST, Experiment, Record
from gradbook.studies.study import Run

BACKENDS = {"tensorflow", "keras", "torch", "jax"}
MEASURED = [name for name in experiments.STUDIES if (results.FOLDER / f"{name}.csv").exists()]


def vocabulary() -> re.Pattern:
    """The names that the table in Record's docstring allows, its placeholders spelt out by the words around it."""
    edge, table = re.search(r"\n( +=+) =+\n(.*?)\n +=", Record.__doc__, flags=re.DOTALL).groups()
    names = re.findall(r"``(\w+)``", " ".join(line[: len(edge)] for line in table.splitlines()))
    assert len(names) > 20 and {"PART_loss", "cosine_K", "NAME_gradient", "NAME_milliseconds"} < set(names)
    words = {
        "PART": "(train|validation|held_out|test|batch)",
        "K": r"\d+",
        "NAME_gradient": "(first|last|mean)_gradient",
        "NAME_milliseconds": "[a-z_]+_milliseconds",
    }
    names = [re.sub("NAME_.*|PART|K$", lambda found: words[found[0]], name) for name in names]
    return re.compile(f"(best_|teacher_|left_|right_)?({'|'.join(names)})")


def runs_of(table: results.Results, experiment: Experiment) -> Iterator[Run]:
    """The run of each row, made from its columns."""
    fields = list(experiment.configuration.model_fields)
    for row in table[[*fields, "seed"]].to_dict("records"):
        seed = row.pop("seed")
        yield Run(experiment, experiment.configuration(**{name: plain(row[name]) for name in fields}), seed)


@pytest.mark.parametrize("name", experiments.STUDIES)
def test_a_study_has_its_own_name_and_cells_without_seeds(name):
    study = experiments.study(name)
    assert study.name == study.experiment.name == name
    assert "seed" not in study.experiment.configuration.model_fields
    assert len(study.runs) == sum(map(len, study.planned.values())) > 0


def test_keys_of_all_studies_are_unique():
    keys = [key for name in experiments.STUDIES for key in experiments.study(name).runs]
    assert len(keys) == len(set(keys))


def test_naming_an_experiment_imports_no_backend():
    named = "*(m for m, one in sys.modules.items() if type(one).__name__ != '_LazyModule')"
    code = f"import sys, gradbook.experiments as e\nfor name in e.STUDIES: e.study(name); print(name, {named})"
    lines = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(lines) == len(experiments.STUDIES)
    assert {name: loaded for name, *modules in map(str.split, lines) if (loaded := BACKENDS & set(modules))} == {}


@pytest.mark.parametrize("name", MEASURED)
def test_metrics_and_curves_of_the_books_results_are_in_the_vocabulary(name):
    table, allowed = results.load(name), vocabulary()
    metrics = table.columns.difference([*table.defaults, "seed", *COST])
    with np.load(results.FOLDER / f"{name}.npz") as arrays:
        curves = {file.partition("/")[2] for file in arrays if "/" in file}
    assert [one for one in {*metrics, *curves} if not allowed.fullmatch(one)] == []


@pytest.mark.parametrize("name", MEASURED)
def test_committed_rows_are_runs_of_their_study_under_their_keys(name):
    table, study, about = results.load(name), experiments.study(name), results.provenance(name)
    assert about["version"] == study.experiment.version
    assert [run.key for run in runs_of(table, study.experiment)] == table["key"].tolist()
    assert set(table["key"]) <= set(study.with_seeds(table["seed"].unique()).runs)
    assert set(table["origin"]) == set(about["origins"])
    assert table.defaults == study.experiment.configuration().model_dump(mode="json")
    assert all(path.stat().st_size < 1_000_000 for path in results.FOLDER.glob(f"{name}.*"))


def test_committed_results_are_those_of_studies():
    assert {path.stem for path in results.FOLDER.iterdir()} <= set(experiments.STUDIES)


# A cell of one task ignores what its auxiliary task is, so that from one seed these runs are one: by study, the
# fields that such a cell ignores, and the metrics that must agree.
MAIN = ["test_loss", "test_accuracy"]
COINCIDE = {
    "concept": ({"auxiliary_classes", "auxiliary_labels", "weight", "scope"}, [*MAIN, "train_loss", "train_accuracy"]),
    "imdb": ({"weight", "alpha"}, ["test_loss", "train_loss", "validation_loss", "best_epoch"]),
    "pairs": ({"auxiliary_class", "auxiliary_trunk", "weight", "scope"}, MAIN),
}


@pytest.mark.parametrize("name", COINCIDE)
def test_runs_that_ignore_what_differs_between_them_have_equal_results(name):
    ignored, metrics = COINCIDE[name]
    alone = results.load(name).select(rule="single_task")
    same = [alone[field].map(str) for field in ("seed", *alone.defaults) if field not in ignored]
    differing = alone.groupby(same)[metrics].nunique().gt(1).any(axis=None)
    assert not differing

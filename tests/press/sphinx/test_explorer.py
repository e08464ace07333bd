"""Explorers: a page carries every measured run, says what is not measured, and needs no browser to be read."""

import json
import subprocess
import sys

import pandas as pd
import pytest
from bs4 import BeautifulSoup

from gradbook import experiments
from gradbook.errors import InputError
from gradbook.press.sphinx.explorer import in_words, markup
from gradbook.press.views import VIEWS, explore
from gradbook.studies import results


def planned(study):
    """Every run that a study plans, as its results would list them; the metric is invented."""
    runs = experiments.study(study).runs.values()
    rows = pd.DataFrame([{"seed": run.seed, **run.cell.model_dump(mode="json")} for run in runs])
    return rows.assign(**{VIEWS[study].metric: rows.index / len(rows), "key": rows.index})


def explored(rows, study, folder):
    """The controls and cells of a book with these results."""
    rows.to_csv(folder / f"{study}.csv", index=False)
    return explore(study, folder)


def test_a_page_carries_every_run_of_the_results_in_its_cell():
    page = BeautifulSoup(markup("imdb", *explore("imdb")), "html.parser")
    data = json.loads(page.find("script").string)
    carried = {}
    for cell in data["cells"]:
        words = [control["options"][option] for control, option in zip(data["controls"], cell["at"], strict=True)]
        carried[tuple(words)] = dict(zip(cell["seeds"], cell["values"], strict=True)), cell["mean"], cell["deviation"]

    runs = pd.read_csv(results.FOLDER / "imdb.csv")
    words = {
        "rule": runs.rule.str.replace("_", " "),
        "λ": runs.weight.map("{:g}".format),
        "α": runs.alpha.map("{:g}".format),
        "shuffled": runs.shuffle_buffer.map({1000: "within 1,000 reviews", 20_000: "as a whole"}),
        "last 32 reviews": runs.last_batch.map({"keep": "a batch", "drop": "left out", "merge": "merged"}),
        "compared": runs["scope"].map({"variable": "by variable", "global": "all at once"}),
    }
    assert [group.legend.text for group in page("fieldset")] == list(words)
    expected = {
        cell: (
            dict(zip(of_cell.seed, of_cell.test_loss, strict=True)),
            of_cell.test_loss.mean(),
            of_cell.test_loss.std(),
        )
        for cell, of_cell in runs.groupby(list(words.values()))
    }
    assert carried == expected


@pytest.mark.parametrize(("study", "published"), [("imdb", 55), ("gradnets", 2), ("lowrank", 0)])
def test_the_controls_tell_all_planned_cells_apart(tmp_path, study, published):
    controls, cells = explored(planned(study), study, tmp_path)
    assert len({cell.at for cell in cells}) == len(cells) == len(experiments.study(study).planned)
    assert all(len(set(control.options)) == len(control.options) > 1 for control in controls)
    assert sum(cell.published is not None for cell in cells) == published


def test_controls_that_mix_cells_are_refused(tmp_path):
    rows = planned("imdb")
    rows.loc[0, "patience"] += 1
    with pytest.raises(InputError, match="differ in patience"):
        explored(rows, "imdb", tmp_path)


def test_what_no_run_has_tried_is_offered_but_holds_no_cell(tmp_path):
    rows = planned("imdb")
    controls, cells = explored(rows, "imdb", tmp_path)
    fewer_controls, fewer = explored(rows[rows.rule != "multitask"], "imdb", tmp_path)
    assert fewer_controls == controls
    multitask = controls[0].options.index("multitask")
    assert {cell.at for cell in cells} - {cell.at for cell in fewer} == {c.at for c in cells if c.at[0] == multitask}


def test_a_single_run_has_no_spread(tmp_path):
    _, (cell,) = explored(planned("lowrank").head(1).assign(test_accuracy=0.5), "lowrank", tmp_path)
    assert cell.deviation is None
    assert in_words(cell) == "1 run: mean 0.5000. No number was published."


def test_without_a_browser_there_is_a_table_or_a_sentence(tmp_path):
    pages = [f"```{{explorer}} {study}\n```\n" for study in ("imdb", "lowrank", "imbd")]
    (tmp_path / "index.md").write_text("# Explorers\n\n" + "\n".join(pages))
    folder = tmp_path / "book/results"
    folder.mkdir(parents=True)
    (tmp_path / "book/crosswalk.yml").write_text("{}")
    (folder / "imdb.csv").write_bytes((results.FOLDER / "imdb.csv").read_bytes())
    (tmp_path / "references.bib").touch()
    settings = ["-D", "extensions=myst_parser,gradbook.press.sphinx", "-D", "bibtex_bibfiles=references.bib"]
    command = [sys.executable, "-m", "sphinx", "-q", "-C", *settings, "-b", "latex", tmp_path, tmp_path / "out"]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    (page,) = (tmp_path / "out").glob("*.tex")
    text = page.read_text(encoding="utf-8")
    _, cells = explore("imdb")
    assert all(rf"{cell.mean:.4f} \(\pm\) {cell.deviation:.4f}" in text for cell in cells)
    assert "Study lowrank has no results yet." in text
    assert "<div" not in text
    assert "unknown explorer 'imbd'; did you mean 'imdb'?" in ended.stderr

"""The directive ``{explorer}``: a study's cells to move through, offline and by keyboard, and a table of them.

The page carries the numbers and the words; ``book/_static/explorer.js`` draws them.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from html import escape
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from gradbook.errors import unknown
from gradbook.press.sphinx.directives import table
from gradbook.press.views import VIEWS, Cell, Control, explore
from gradbook.studies import results

KEY = """\
Every dot is a run; the bar is their mean, the line a standard deviation to each side. A diamond is the published mean,
with its own. What is struck through was not measured together with the other choices."""


class Explorer(SphinxDirective):
    """``{explorer} imdb``: controls over a study's cells, for browsers, and a table of all cells."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Make both, or a sentence where nothing was measured yet."""
        (study,) = self.arguments
        if study not in VIEWS:
            raise self.error(str(unknown("explorer", study, VIEWS)))
        folder = Path(self.env.srcdir) / "book/results"
        if not results.keys(study, folder):
            return [nodes.paragraph("", f"Study {study} has no results yet.")]
        controls, cells = explore(study, folder)
        summary = f"<summary>All {len(cells)} measured cells as a table</summary>"
        return [
            nodes.raw("", markup(study, controls, cells), format="html"),
            nodes.raw("", f'<details class="explored" open="">{summary}', format="html"),
            table(rows(study, controls, cells)),
            nodes.raw("", "</details>", format="html"),
        ]


def markup(study: str, controls: Sequence[Control], cells: Sequence[Cell]) -> str:
    """Return the explorer as HTML, hidden until its script has read it; it starts where there are many runs."""
    start = max(cells, key=lambda cell: (len(cell.values), sum(map(cell.beside, cells)))).at
    data = {
        "axis": VIEWS[study].axis,
        "controls": [asdict(control) for control in controls],
        "cells": [asdict(cell) | {"words": in_words(cell)} for cell in cells],
    }
    numbers = json.dumps(data, ensure_ascii=False).replace("&", r"\u0026").replace("<", r"\u003c")
    return (
        f'<div class="explorer" id="explorer-{study}" hidden="">'
        f"<form>{''.join(map(_radios, controls, start))}</form>"
        f'<p><output aria-live="polite"></output></p>'
        f'<svg role="img"></svg><p class="key">{KEY} <span class="held"></span></p>'
        f'<script type="application/json">{numbers}</script></div>'
    )


def _radios(control: Control, start: int) -> str:
    name = escape(control.label)
    radios = [
        f'<label><input type="radio" name="{name}" value="{number}"/> {escape(option)}'
        '<span class="visually-hidden">, not measured</span></label>'
        for number, option in enumerate(control.options)
    ]
    radios[start] = radios[start].replace("<input ", '<input checked="" ')
    return f"<fieldset><legend>{name}</legend><div>{''.join(radios)}</div></fieldset>"


def in_words(cell: Cell) -> str:
    """Return a cell's numbers in words, and the published ones."""
    runs, theirs = "1 run" if len(cell.values) == 1 else f"{len(cell.values)} runs", cell.published
    compared = f"Published: {_spread(theirs)} ({theirs['source']})." if theirs else "No number was published."
    return f"{runs}: mean {_spread(asdict(cell), ', standard deviation ')}. {compared}"


def rows(study: str, controls: Sequence[Control], cells: Sequence[Cell]) -> list[list[str]]:
    """Return the cells as rows of text, below their headings; means with standard deviations."""
    headings = [*(control.label for control in controls), "runs", VIEWS[study].axis, "published"]
    return [headings] + [
        [
            *(control.options[option] for control, option in zip(controls, cell.at, strict=True)),
            str(len(cell.values)),
            _spread(asdict(cell)),
            _spread(cell.published) if cell.published else "",
        ]
        for cell in cells
    ]


def _spread(numbers: Mapping[str, Any], between: str = " ± ") -> str:
    return between.join(f"{numbers[name]:.4f}" for name in ("mean", "deviation") if numbers[name] is not None)

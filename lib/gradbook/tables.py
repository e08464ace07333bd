"""Tables of sentences, and such that readers filter on the page itself, offline and by keyboard."""

import re
from collections.abc import Sequence
from html import escape

import pandas as pd
from IPython.display import HTML

from gradbook.errors import InputError, unknown

SCRIPT = """\
(table => {
  const choices = [...table.querySelectorAll("select")], rows = [...table.querySelectorAll("tbody tr")];
  const filter = () => {
    for (const row of rows)
      row.hidden = choices.some(({value, dataset}) => value && row.cells[dataset.column].textContent !== value);
    table.querySelector("output").textContent = `${rows.filter(row => !row.hidden).length} of ${rows.length} rows`;
  };
  table.addEventListener("change", filter);
  filter();
})(document.getElementById("NAME"));
"""


def sentences(table: pd.DataFrame, label: str) -> HTML:
    """Return a table of sentences, set like text.

    Args:
        table: its cells are shown as text.
        label: what the table is, for readers who cannot see it.
    """
    return HTML(_labelled(table.to_html(index=False, border=0, classes="sentences"), label))


def filterable(table: pd.DataFrame, by: Sequence[str], name: str, label: str, folded: Sequence[str] = ()) -> HTML:
    """Return a table of sentences with a menu for some of its columns, which hides rows that have another value there.

    Args:
        table, label: as for `sentences`.
        by: the columns with a menu, of their values in the order in which they appear.
        name: unique on the page; letters, digits and hyphens.
        folded: columns that are hidden until a reader opens the last one of the others.

    Raises:
        InputError: a name of other characters, or a column that the table lacks.
    """
    if not re.fullmatch(r"[a-z0-9-]+", name):
        raise InputError(f"name must consist of small letters, digits and hyphens; received {name!r}.")
    for column in (*by, *folded):
        if column not in table:
            raise unknown("column", column, map(str, table))
    shown = table.drop(columns=list(folded))
    menus = []
    for column in by:
        options = "".join(f"<option>{escape(str(value))}</option>" for value in table[column].unique())
        place = shown.columns.get_loc(column)
        menu = f'<select data-column="{place}"><option value="">all</option>{options}</select>'
        menus.append(f"<label>{escape(column)} {menu}</label>")
    bar = f'<p>{" ".join(menus)} <output aria-live="polite"></output></p>'
    script = f"<script>{SCRIPT.replace('NAME', name)}</script>"
    body = sentences(shown, label).data if not folded else _folded(table, shown, label)
    return HTML(f'<div id="{name}" class="filterable">{bar}{body}{script}</div>')


def _folded(table: pd.DataFrame, shown: pd.DataFrame, label: str) -> str:
    """Return the table with the other columns of each row below what its last cell says."""
    *_, last = shown
    others = table.columns.difference(shown.columns, sort=False)
    facts = [
        "".join(f"<p><b>{escape(str(name))}</b> {escape(str(cell))}</p>" for name, cell in row.items() if cell)
        for _, row in table[others].iterrows()
    ]
    cells = shown.map(lambda cell: escape(str(cell)))
    cells[last] = [
        f"<details><summary>{said}</summary>{more}</details>" for said, more in zip(cells[last], facts, strict=True)
    ]
    return _labelled(cells.to_html(index=False, border=0, classes="sentences folded", escape=False), label)


def _labelled(markup: str, label: str) -> str:
    return markup.replace("<table ", f'<table aria-label="{escape(label)}" ')

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
    markup = table.to_html(index=False, border=0, classes="sentences")
    return HTML(markup.replace("<table ", f'<table aria-label="{escape(label)}" '))


def filterable(table: pd.DataFrame, by: Sequence[str], name: str, label: str) -> HTML:
    """Return a table of sentences with a menu for some of its columns, which hides rows that have another value there.

    Args:
        table, label: as for `sentences`.
        by: the columns with a menu, of their values in the order in which they appear.
        name: unique on the page; letters, digits and hyphens.

    Raises:
        InputError: a name of other characters, or a column that the table lacks.
    """
    if not re.fullmatch(r"[a-z0-9-]+", name):
        raise InputError(f"name must consist of small letters, digits and hyphens; received {name!r}.")
    menus = []
    for column in by:
        if column not in table:
            raise unknown("column", column, map(str, table))
        options = "".join(f"<option>{escape(str(value))}</option>" for value in table[column].unique())
        place = table.columns.get_loc(column)
        menu = f'<select data-column="{place}"><option value="">all</option>{options}</select>'
        menus.append(f"<label>{escape(column)} {menu}</label>")
    bar = f'<p>{" ".join(menus)} <output aria-live="polite"></output></p>'
    script = f"<script>{SCRIPT.replace('NAME', name)}</script>"
    return HTML(f'<div id="{name}" class="filterable">{bar}{sentences(table, label).data}{script}</div>')

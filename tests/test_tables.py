"""Tables that readers filter: what the page gets; that the filter works is tried in a browser."""

import pandas as pd
import pytest
from bs4 import BeautifulSoup

from gradbook.errors import InputError
from gradbook.tables import filterable, sentences

TABLE = pd.DataFrame({"kind": ["b", "a", "b"], "text": ["<one>", "two & three", "four"]})


def test_every_row_and_every_value_of_a_menu_is_there_once():
    page = BeautifulSoup(filterable(TABLE, ["kind"], "some-table", "Some rows").data, "html.parser")
    assert [cell.text for cell in page.select("tbody td")] == ["b", "<one>", "a", "two & three", "b", "four"]
    (menu,) = page.find_all("select")
    assert menu["data-column"] == "0"
    assert [option.text for option in menu.find_all("option")] == ["all", "b", "a"]
    assert menu.parent.name == "label" and menu.parent.text.startswith("kind")
    assert page.table["aria-label"] == "Some rows"
    assert "some-table" in page.script.text


def test_folded_columns_are_below_the_last_of_the_others():
    table = TABLE.assign(why=["because & so", "", "yes"])
    page = BeautifulSoup(filterable(table, ["kind"], "rows", "Some rows", ["why"]).data, "html.parser")
    assert [cell.text for cell in page.select("thead th")] == ["kind", "text"]
    assert [fold.summary.text for fold in page.select("tbody details")] == ["<one>", "two & three", "four"]
    assert [fold.text for fold in page.select("tbody details p")] == ["why because & so", "why yes"]


def test_sentences_are_text_and_have_a_label():
    page = BeautifulSoup(sentences(TABLE, 'Rows "of" text').data, "html.parser")
    assert [cell.text for cell in page.select("tbody td")][1] == "<one>"
    assert page.table["aria-label"] == 'Rows "of" text'


@pytest.mark.parametrize(
    ("by", "name", "sentence"),
    [(["kinds"], "rows", "did you mean 'kind'"), (["kind"], "a b", "name must consist of small letters")],
)
def test_columns_and_names_that_cannot_be_are_refused(by, name, sentence):
    with pytest.raises(InputError, match=sentence):
        filterable(TABLE, by, name, "Some rows")

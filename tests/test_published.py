"""Published numbers travel with the package, complete and named."""

import pytest

from gradbook.errors import InputError
from gradbook.published import load


def test_a_table_says_where_every_number_stands():
    table = load("10_concept")
    assert (table.source != "").all()
    assert (table.quantity != "").all()
    assert table.value.notna().all()


def test_an_unknown_table_is_refused_with_the_nearest():
    with pytest.raises(InputError, match="did you mean '10_concept'"):
        load("10_concepts")

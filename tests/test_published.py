"""Published numbers travel with the package, complete and named."""

import pytest

from gradbook.errors import InputError
from gradbook.files import BOOK
from gradbook.published import load


@pytest.mark.parametrize("name", sorted(path.stem for path in (BOOK / "published").glob("*.csv")))
def test_a_table_says_where_every_number_stands(name):
    table = load(name)
    for column in ("source", "quantity", "value"):
        assert (table[column] != "").all()


def test_an_unknown_table_is_refused_with_the_nearest():
    with pytest.raises(InputError, match="did you mean '10_concept'"):
        load("10_concepts")

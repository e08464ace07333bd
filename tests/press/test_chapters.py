"""Chapters and their parameters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradbook.errors import InputError
from gradbook.press.chapters import Chapter, find_chapters, literals, typed_parameters

PLAIN = st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.booleans(), st.text(), st.none())


@given(st.dictionaries(st.from_regex(r"x[a-z]{0,8}", fullmatch=True), st.one_of(PLAIN, st.lists(PLAIN)), max_size=5))
def test_literals_come_back_as_written(values):
    assert literals("\n".join(f"{name} = {value!r}" for name, value in values.items()), "cell") == values


@pytest.mark.parametrize("code", ["import os", "x = open('f')", "x, y = 1, 2", "x += 1", "print(1)"])
def test_anything_but_assignments_of_literals_is_refused(code):
    with pytest.raises(InputError, match="NAME = LITERAL only"):
        literals(code, "cell")


@given(value=st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_given_as_text_is_read_as_its_defaults_type(tmp_path_factory, value):
    source = tmp_path_factory.getbasetemp() / "10_rate.py"
    source.write_text('# %% tags=["parameters"]\nrate = 1.0\n')
    assert typed_parameters(Chapter(source), {"rate": repr(value)}) == {"rate": value}


def test_chapters_come_in_reading_order(book):
    assert [chapter.name for chapter in find_chapters(book)] == ["10_sum", "11_quotient"]


def test_a_chapter_without_parameters_cell_is_refused(book):
    source = book / "notebooks/10_sum.py"
    source.write_text(source.read_text().replace('tags=["parameters"]', ""))
    with pytest.raises(InputError, match="one cell tagged 'parameters'; received 0"):
        _ = find_chapters(book, ["10_sum"])[0].parameters


@pytest.mark.parametrize(
    ("allowed", "text", "value"),
    [
        ("None or text", "1/2", "1/2"),
        ("None or text", "3", "3"),
        ("None or text", "None", None),
        ("None or an integer from 1", "3", 3),
        ("None or one of a, b", "b", "b"),
    ],
)
def test_a_parameter_without_a_default_is_read_as_what_it_may_be(tmp_path, allowed, text, value):
    source = tmp_path / "10_free.py"
    declared = f'{{"free": (None, {allowed!r})}}'
    source.write_text(f'# %% tags=["parameters"]\nfree = None\n\n# %%\nchanged = check(globals(), {declared})\n')
    assert typed_parameters(Chapter(source), {"free": text}) == {"free": value}


def test_what_a_parameter_may_be_is_said_in_literals(tmp_path):
    source = tmp_path / "10_free.py"
    source.write_text("# %%\nchanged = check(globals(), {name: (1, words)})\n")
    with pytest.raises(InputError, match="a literal of names"):
        _ = Chapter(source).declared

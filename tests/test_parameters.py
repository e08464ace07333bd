"""Parameters of chapters: words that are checked, and what was changed."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradbook.errors import InputError
from gradbook.parameters import Changed, check, problem


@given(value=st.integers(-20, 20), least=st.integers(-20, 20), most=st.integers(-20, 20))
def test_bounds_mean_what_they_say(value, least, most):
    assert (problem(value, f"an integer from {least} up to {most}") is None) == (least <= value <= most)
    assert (problem(value, f"a number above {least} below {most}") is None) == (least < value < most)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, True, None, "3", [3]])
def test_what_is_no_number_is_no_number(value):
    assert problem(value, "a number") is not None
    assert problem(value, "an integer") is not None


@pytest.mark.parametrize(
    ("value", "allowed"),
    [
        (None, "None or an integer from 1"),
        (3, "None or an integer from 1"),
        (1e-6, "a number above 0 up to 1"),
        (7, "a number above 0.5"),
        (False, "true or false"),
        ("b", "one of a, b, c"),
        (16, "one of 16, 64"),
        ("digits", "a dataset of images"),
        ("imdb", "a dataset of movie reviews"),
        ("任何", "text"),
    ],
)
def test_what_is_allowed_passes(value, allowed):
    assert problem(value, allowed) is None


@pytest.mark.parametrize(
    ("value", "allowed", "sentence"),
    [
        (0, "an integer from 1", r"x must be an integer from 1; received 0\."),
        (2.5, "an integer from 1", r"received 2\.5\."),
        ("digit", "a dataset of images", r"received 'digit' \(did you mean 'digits'\?\)\."),
        ("imdb", "a dataset of images", "neither one of digits, mnist, .* nor a path that exists"),
        ("digits", "a dataset of movie reviews", r"received 'digits' \(reviews-toy, imdb\)\."),
        ("nowhere/at all", "a dataset of images", "neither one of digits, .* nor a path that exists"),
        ("16", "one of 16, 64", r"received '16' \(did you mean 16\?\)\."),
        (16.0, "one of 16, 64", r"received 16\.0 \(did you mean 16\?\)\."),
        (True, "one of 1, 2", r"received True\."),
        (1, "true or false", r"x must be true or false; received 1\."),
    ],
)
def test_what_is_not_allowed_is_refused_in_one_sentence(value, allowed, sentence):
    with pytest.raises(InputError, match=sentence) as refused:
        check({"x": value}, {"x": (None, allowed)})
    assert " ." not in str(refused.value)


def test_a_path_is_a_dataset(tmp_path):
    assert problem(str(tmp_path), "a dataset of images") is None


def test_words_that_say_nothing_are_a_mistake_of_the_chapter():
    with pytest.raises(ValueError, match="'something' is no description"):
        problem(1, "something")


def test_nothing_is_shown_at_the_defaults(capsys):
    changed = check({"epochs": 10, "seed": 0}, {"epochs": (10, "an integer from 1"), "seed": (0, "an integer from 0")})
    changed.note()
    assert not changed
    assert changed.allows("epochs", why="The published curve has ten epochs.")
    assert capsys.readouterr().out == ""


def test_sections_say_what_they_need(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda note: shown.append(note.data))
    changed = Changed({"epochs": 5, "seed": 0}, {"epochs": (10, "an integer"), "seed": (0, "an integer")})
    assert changed == {"epochs": 5}
    assert changed.allows("seed", why="Other seeds were not published.")
    assert not changed.allows("epochs", why="The published curve has ten epochs.")
    assert not changed.allows(why="This needs all.")
    assert str(changed) == "`epochs = 5` (the page has 10)"
    assert len(shown) == 2
    assert "The published curve has ten epochs." in shown[0] and "This needs all." in shown[1]

"""Exercises: an answer is right, or the reader hears in which direction to think."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradbook.errors import InputError
from gradbook.exercises import exercise


@given(right=st.floats(-1e6, 1e6).filter(lambda x: abs(x) > 1e-3), off=st.floats(0.05, 10))
def test_the_direction_is_the_answer_s(right, off):
    check = exercise(lambda: right, too_low="more", too_high="less")
    assert check(right) == "Right."
    assert check(right - abs(right) * off) == "Too small. more"
    assert check(right + abs(right) * off) == "Too large. less"


@pytest.mark.parametrize("relative", [1e-6, 1e-3, 0.1])
def test_an_answer_is_right_within_the_tolerance(relative):
    check = exercise(lambda: 20.0, relative=relative)
    assert check(20 * (1 + 0.9 * relative)) == check(20 * (1 - 0.9 * relative)) == "Right."
    assert check(20 * (1 + 1.1 * relative)).startswith("Too large")
    assert check(20 * (1 - 1.1 * relative)).startswith("Too small")


def test_arrays_and_words_are_compared_whole():
    check = exercise(lambda: np.array([1.0, 2.0]), otherwise="Think of both entries.")
    assert check([1.0, 2.001]) == "Right."
    assert check([1.0, 3.0]) == check([1.0]) == check("one") == "Not yet. Think of both entries."
    assert exercise(lambda: "projection")("projection") == "Right."
    assert exercise(lambda: "projection")("orthogonal") == "Not yet."


def test_nothing_is_computed_before_an_answer_is_given():
    check = exercise(lambda: 1 / 0)
    assert check(None).startswith("Put your answer")
    with pytest.raises(ZeroDivisionError):
        check(1)


def test_what_is_no_number_is_said_to_be_none():
    assert exercise(lambda: 3)("three") == "The answer is a number; received 'three'."


def test_a_tolerance_is_a_fraction():
    with pytest.raises(InputError, match="relative must be from 0 to below 1; received 2"):
        exercise(lambda: 1, relative=2)

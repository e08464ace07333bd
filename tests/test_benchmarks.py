"""What all comparisons of speed rest on: sides that compute something else are refused, times are those of a step."""

import numpy as np
import pytest

from benchmarks import _sides
from benchmarks._sides import Side, Together, agree, present


class Walk:
    """A loop that moves its one weight by a stride a round."""

    def __init__(self, stride):
        self.stride, self.weight = stride, np.zeros(3)

    def __call__(self, number):
        self.weight += self.stride

    def weights(self):
        return [self.weight]


def test_sides_that_move_alike_are_compared_and_others_are_refused():
    agree({"one": Side(lambda: Walk(1.0)), "other": Side(lambda: Walk(1.0009))}, rounds=3, tolerance=1e-3)
    with pytest.raises(AssertionError, match=r"other moves otherwise than one: 2\.0e-03 of the way"):
        agree({"one": Side(lambda: Walk(1.0)), "other": Side(lambda: Walk(1.002))}, rounds=3, tolerance=1e-3)


def test_sides_that_do_not_move_or_are_not_numbers_are_refused():
    for stride in (0.0, np.nan):
        with pytest.raises(AssertionError, match="moves otherwise"), np.errstate(invalid="ignore"):
            agree({"one": Side(lambda stride=stride: Walk(stride))}, rounds=1, tolerance=1e-3)


def test_a_side_whose_package_is_missing_takes_no_part():
    sides = {"there": Side(Walk), "missing": Side(Walk, needs="no_such_package")}
    assert list(present(sides)) == ["there"]


def test_seeds_together_each_make_the_round():
    loops = [Walk(float(stride)) for stride in range(1, 6)]
    Together(loops)(0)
    assert [loop.weight[0] for loop in loops] == [1, 2, 3, 4, 5]


SIDES = {"slow": Side(lambda: Walk(1.0)), "fast": Side(lambda: Walk(1.0), steps=4, seeds=5)}


def test_times_are_those_of_a_step_and_seed(monkeypatch):
    monkeypatch.setattr(_sides, "in_turns", lambda loops, rounds: {"slow": [30.0] * rounds, "fast": [20.0] * rounds})
    monkeypatch.setattr(_sides, "memory", lambda module, name: "0.50 GiB")
    table = _sides.compare(__name__, rounds=3).set_index("loop")
    assert table["ms a step and seed"].tolist() == ["30.00", "1.00"]
    assert table["times as fast"].tolist() == ["1.00", "30.00"]
    assert table["quartiles"].tolist() == ["30.00–30.00", "1.00–1.00"]

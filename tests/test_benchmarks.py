"""What all comparisons of speed rest on: sides that compute something else are refused, times are those of a step."""

import os

import numpy as np
import pytest

from benchmarks import _sides
from benchmarks._sides import Elsewhere, Side, Together, agree, present


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


class Here:
    """Stands for a side in a process of its own: a gibibyte, and as many seconds of processors as threads."""

    def __init__(self, module, name, threads):
        self.processor, self.peak_memory = [0.0, threads, threads], 2**30

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


def test_times_are_those_of_a_step_and_seed_at_the_better_number_of_threads(monkeypatch):
    taken = {("slow", 1): 40.0, ("slow", 2): 30.0, ("fast", 1): 20.0, ("fast", 2): 80.0}
    monkeypatch.setattr(_sides, "in_turns", lambda loops, rounds: {key: [taken[key]] * rounds for key in loops})
    monkeypatch.setattr(_sides, "Elsewhere", Here)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    table = _sides.compare(__name__, rounds=3).set_index("loop")
    assert table["threads"].tolist() == [2, 1]
    assert table["ms a step and seed"].tolist() == ["30.00", "1.00"]
    assert table["of processors"].tolist() == ["2000.00", "50.00"]
    assert table["times as fast"].tolist() == ["1.00", "30.00"]
    assert table["quartiles"].tolist() == ["30.00–30.00", "1.00–1.00"]
    assert table["peak memory"].tolist() == ["1.00 GiB"] * 2


ALONE = """
import os
from types import SimpleNamespace

def build():
    assert os.environ["OMP_NUM_THREADS"] == "3"
    return lambda number: sum(range(10**6))

SIDES = {"sum": SimpleNamespace(build=build)}
"""


def test_a_side_in_a_process_of_its_own_has_its_threads_and_says_what_it_took(tmp_path, monkeypatch):
    (tmp_path / "one_side.py").write_text(ALONE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    with Elsewhere("one_side", "sum", 3) as loop:
        loop(0)
        loop(1)
    assert len(loop.processor) == 2 and min(loop.processor) > 0
    assert loop.peak_memory > 2**20
    assert "OMP_NUM_THREADS" not in os.environ

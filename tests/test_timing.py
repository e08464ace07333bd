"""Work is timed in turns, and each number is that of its own work."""

import time

from gradbook.timing import in_turns, peak_memory


def test_rounds_alternate_after_one_that_is_not_counted():
    seen = []
    taken = in_turns({name: lambda number, name=name: seen.append((name, number)) for name in "ab"}, rounds=2)
    assert seen == [("a", 0), ("b", 0), ("a", 0), ("b", 0), ("a", 1), ("b", 1)]
    assert {name: len(values) for name, values in taken.items()} == {"a": 2, "b": 2}


def test_times_are_milliseconds_and_belong_to_the_side_that_took_them():
    taken = in_turns({"long": lambda number: time.sleep(0.02), "short": lambda number: None}, rounds=3)
    assert min(taken["long"]) >= 20 > min(taken["short"])


def test_the_highest_memory_is_in_bytes():
    held = bytearray(b"x") * 2**20
    assert peak_memory() > len(held)

"""Timetables of blocks."""

import matplotlib.pyplot as plt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradbook.errors import InputError
from gradbook.synthetic.locking import LOCKINGS, draw, schedule, waits

sizes = st.integers(1, 6)


def length(tasks):
    return max(task.start + 1 for task in tasks)


@given(sizes, sizes)
def test_lengths_are_what_counting_says(blocks, batches):
    assert length(schedule(blocks, batches, "locked")) == 2 * blocks * batches
    assert length(schedule(blocks, batches, "direct feedback")) == (blocks + 1) * batches
    assert length(schedule(blocks, batches, "backward unlocked")) == 2 * batches + blocks - 1
    assert length(schedule(blocks, batches, "both unlocked")) == 2 * batches


@given(sizes, sizes)
def test_a_block_waits_for_those_above_it_twice_or_once_or_not(blocks, batches):
    above = [blocks - 1 - k for k in range(blocks)]
    assert waits(schedule(blocks, batches, "locked")) == [2 * count for count in above]
    assert waits(schedule(blocks, batches, "direct feedback")) == above
    assert waits(schedule(blocks, batches, "backward unlocked")) == waits(schedule(blocks, batches, "both unlocked"))
    assert set(waits(schedule(blocks, batches, "backward unlocked"))) == {0}


@given(sizes, sizes, st.sampled_from(LOCKINGS))
def test_a_block_does_one_thing_at_a_time_and_everything_is_done(blocks, batches, locking):
    tasks = schedule(blocks, batches, locking)
    assert len({(task.block, task.start) for task in tasks}) == len(tasks) == 2 * blocks * batches
    starts = {(task.batch, task.block, task.work): task.start for task in tasks}
    assert all(starts[b, k, "update"] > starts[b, k, "forward"] for b, k, _ in starts)


def test_a_timetable_is_drawn_with_a_box_a_task():
    _, axes = plt.subplots()
    draw(axes, schedule(2, 3, "locked"))
    assert len(axes.patches) == 12
    plt.close("all")


def test_bad_timetables_are_refused():
    with pytest.raises(InputError, match="did you mean 'locked'"):
        schedule(1, 1, "lockd")
    with pytest.raises(InputError, match="blocks and batches must be at least 1; received 0 and 1"):
        schedule(0, 1, "locked")

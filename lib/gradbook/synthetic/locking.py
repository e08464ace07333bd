"""What waits for what: when each block can work, if every block sits on a machine of its own."""

from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

from matplotlib.axes import Axes

from gradbook.errors import InputError, unknown
from gradbook.plots import COLOURS

Locking = Literal["locked", "direct feedback", "backward unlocked", "both unlocked"]
LOCKINGS: tuple[str, ...] = get_args(Locking)


class Task(NamedTuple):
    """A unit of work: block ``block`` runs forward or updates on a batch, from ``start`` to ``start + 1``."""

    batch: int
    block: int
    work: Literal["forward", "update"]
    start: int


def schedule(blocks: int, batches: int, locking: Locking) -> list[Task]:
    """Return the earliest times for a chain of blocks to work through batches; forward and update take one unit each.

    A block takes a new batch after its update on the one before. Beyond that a forward pass waits for the block below,
    unless its input is predicted; an update waits for the block's own forward pass and, where the gradient comes from
    above, for the update of the block above, or where the error is sent to all blocks, for the last forward pass.

    Args:
        blocks, batches: at least 1.
        locking: "locked", backpropagation; "direct feedback", the error goes to all blocks at once; "backward
            unlocked", synthetic gradients or losses of a block's own; "both unlocked", synthetic inputs too.

    Raises:
        InputError: an unknown locking, or a number below 1.

    >>> [max(task.start + 1 for task in schedule(4, 3, locking)) for locking in LOCKINGS]
    [24, 15, 9, 6]
    """
    if locking not in LOCKINGS:
        raise unknown("locking", locking, LOCKINGS)
    if blocks < 1 or batches < 1:
        raise InputError(f"blocks and batches must be at least 1; received {blocks} and {batches}.")
    forward: dict[tuple[int, int], int] = {}
    update: dict[tuple[int, int], int] = {}
    for batch in range(batches):
        for k in range(blocks):
            needed = [update.get((batch - 1, k), -1)]
            if k > 0 and locking != "both unlocked":
                needed.append(forward[batch, k - 1])
            forward[batch, k] = max(needed) + 1
        for k in reversed(range(blocks)):
            needed = [forward[batch, k]]
            if k < blocks - 1 and locking == "locked":
                needed.append(update[batch, k + 1])
            if locking == "direct feedback":
                needed.append(forward[batch, blocks - 1])
            update[batch, k] = max(needed) + 1
    return [
        Task(batch, k, work, start)
        for work, starts in (("forward", forward), ("update", update))
        for (batch, k), start in starts.items()
    ]


def draw(axes: Axes, tasks: Sequence[Task]) -> None:
    """Draw one row per block, the first at the bottom; a bar is a task, numbered by its batch, filled for updates."""
    for task in tasks:
        colour = COLOURS[1 + task.batch % (len(COLOURS) - 1)]
        fill = (colour, 0.35) if task.work == "update" else "white"
        axes.barh(task.block + 1, 1, left=task.start, height=0.8, color=fill, edgecolor=colour, linewidth=1.5)
        axes.text(task.start + 0.5, task.block + 1, str(task.batch + 1), ha="center", va="center")
    axes.set(xlabel="time (units of work)", ylabel="block", yticks=range(1, max(task.block for task in tasks) + 2))
    axes.grid(False)


def waits(tasks: Sequence[Task]) -> list[float]:
    """Return for each block how long it waits between a forward pass and the update, a mean over batches.

    >>> waits(schedule(4, 3, "locked")), waits(schedule(4, 3, "direct feedback"))
    ([6.0, 4.0, 2.0, 0.0], [3.0, 2.0, 1.0, 0.0])
    """
    starts = {(task.block, task.work, task.batch): task.start for task in tasks}
    blocks, batches = (1 + max(numbers) for numbers in zip(*((task.block, task.batch) for task in tasks), strict=True))
    return [
        sum(starts[k, "update", batch] - starts[k, "forward", batch] - 1 for batch in range(batches)) / batches
        for k in range(blocks)
    ]

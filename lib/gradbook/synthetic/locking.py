"""What waits for what: when each block can work, if every block sits on a machine of its own."""

from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

from matplotlib.axes import Axes

from gradbook.errors import InputError, unknown
from gradbook.plots import COLOURS

Locking = Literal["locked", "backward unlocked", "both unlocked"]
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
    unless its input is predicted; an update waits for the block's own forward pass and, unless its gradient is
    predicted, for the update of the block above.

    Args:
        blocks, batches: at least 1.
        locking: "locked", backpropagation; "backward unlocked", synthetic gradients; "both unlocked", synthetic inputs
            too.

    >>> [max(task.start + 1 for task in schedule(4, 3, locking)) for locking in LOCKINGS]
    [24, 9, 6]
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

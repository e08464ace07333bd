"""What work costs: its time, alone or in turns with other work, and the memory it needs."""

import resource
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path


class Stopwatch:
    """Measures a block: ``with Stopwatch() as watch: …``, then ``watch.seconds`` and ``watch.peak_memory``."""

    def __enter__(self) -> "Stopwatch":
        self._start = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.perf_counter() - self._start
        self.peak_memory = peak_memory(resource.RUSAGE_SELF)


def peak_memory(who: int) -> int:
    """Highest resident memory so far, in bytes.

    Args:
        who: ``resource.RUSAGE_SELF`` for this process, ``resource.RUSAGE_CHILDREN`` for the largest that it started
            and that has ended.
    """
    status = Path("/proc/self/status")
    if who == resource.RUSAGE_SELF and status.exists():  # Linux counts to a process what its parent had when it began
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(who).ru_maxrss * unit


def in_turns(sides: Mapping[str, Callable[[int], object]], rounds: int) -> dict[str, list[float]]:
    """Milliseconds a round of each side, after a first one that compiles and is not counted.

    Sides take turns, so that whatever else the machine does meets all alike; compare medians.

    Args:
        sides: what is timed, by name; called with the number of the round, from 0.
        rounds: turns of each, ≥ 1.

    Returns:
        By name, a number a round.

    >>> taken = in_turns({"sum": lambda number: sum(range(9)), "nothing": lambda number: None}, rounds=3)
    >>> {name: len(values) for name, values in taken.items()}
    {'sum': 3, 'nothing': 3}
    """
    for side in sides.values():
        side(0)
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds):
        for name, side in sides.items():
            start = time.perf_counter()
            side(number)
            taken[name].append(1e3 * (time.perf_counter() - start))
    return taken

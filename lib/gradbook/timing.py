"""What work costs: its time in turns with other work, and the memory it needs."""

import os
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path


def peak_memory(process: int | None = None) -> int:
    """Return the highest resident memory so far, in bytes, of a process, by default this one.

    Linux and Windows keep it; elsewhere it is what the process occupies now.

    Args:
        process: its number.
    """
    status = Path(f"/proc/{process or os.getpid()}/status")
    if status.exists() and (highest := re.search(r"^VmHWM:\s*(\d+) kB", status.read_text(), re.MULTILINE)):
        return int(highest[1]) * 1024
    import psutil

    memory = psutil.Process(process).memory_info()
    return getattr(memory, "peak_wset", memory.rss)


def in_turns(sides: Mapping[str, Callable[[int], object]], rounds: int) -> dict[str, list[float]]:
    """Return the milliseconds of each round of each side, after a first one that compiles and is not counted.

    Sides take turns, so that whatever else the machine does meets all alike; compare medians.

    Args:
        sides: what is timed, by name; called with the number of the round, from 0.
        rounds: turns of each, ≥ 1.

    Returns:
        By name, one number per round.

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

"""The press: start of the command, execution of each chapter, the site, sizes of twins."""

import statistics
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd

from gradbook.press.chapters import find_chapters
from gradbook.press.checkout import checkout

COMMAND = Path(sys.executable).parent / "gradbook"


def measure() -> pd.DataFrame:
    """Return the seconds of each command, their median and range, and kilobytes of each twin, beside their limits."""
    root = checkout()
    rows = [
        _timed("gradbook --help", ["--help"], 5, "0.5 s"),
        *(_timed(f"execute {c.name}", ["execute", c.name, "--force"], 1, "60 s") for c in find_chapters(root)),
        _timed("build from nothing", ["build", "--force"], 1, ""),
        _timed("build, nothing changed", ["build"], 3, "15 s"),
        _timed("execute, nothing changed", ["execute"], 3, "15 s"),
    ]
    for chapter in find_chapters(root):
        size = chapter.twin.stat().st_size / 1e3
        rows.append({"what": f"size of {chapter.twin.name}", "median": f"{size:.0f} kB", "limit": "1000 kB"})
    return pd.DataFrame(rows).fillna("")


def _timed(what: str, arguments: list[str], runs: int, limit: str) -> dict[str, str]:
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        subprocess.run([COMMAND, *arguments], check=True, capture_output=True)
        seconds.append(time.perf_counter() - start)
    spread = f"{min(seconds):.2f}–{max(seconds):.2f}" if runs > 1 else ""
    return {
        "what": what,
        "median": f"{statistics.median(seconds):.2f} s",
        "range": spread,
        "runs": runs,
        "limit": limit,
    }

"""``python -m benchmarks [NAME]...``: measure, print, and keep for the book; all modules by default.

Examples:
    python -m benchmarks              everything
    python -m benchmarks press        start-up, chapters, site and sizes
"""

import importlib
import os
import pkgutil
import platform
import sys
from datetime import UTC, datetime

import pandas as pd
import psutil

import benchmarks
from gradbook.errors import unknown
from gradbook.press.checkout import checkout, write_json
from gradbook.press.sphinx.speeds import FOLDER
from gradbook.provenance import origin


def main() -> None:
    """Print one table per benchmark, and write it to its file in ``benchmarks/results``."""
    known = [module.name for module in pkgutil.iter_modules(benchmarks.__path__) if not module.name.startswith("_")]
    chosen = sys.argv[1:] or known
    for name in chosen:
        if name not in known:
            sys.exit(str(unknown("benchmark", name, known)))
    print(f"{platform.platform()}, {os.cpu_count()} cores, load {psutil.getloadavg()[0]:.1f}\n")
    for name in chosen:
        module = importlib.import_module(f"benchmarks.{name}")
        title = module.__doc__.splitlines()[0]
        print(f"{name}: {title}")
        begun, load = datetime.now(UTC), psutil.getloadavg()[0]
        table = module.measure()
        print(table.to_string(index=False), end="\n\n", flush=True)
        write_json(checkout() / FOLDER / f"{name}.json", record(title, table, begun, load))


def record(title: str, table: pd.DataFrame, begun: datetime, load: float) -> dict:
    """Return what a page needs: the figures as printed, when they were measured, on what, and beside how much else."""
    return {
        "title": title,
        "headings": list(table),
        "rows": table.astype(str).to_numpy().tolist(),
        "measured": begun.isoformat(timespec="seconds"),
        "load": round(load, 1),
        **origin(),
    }


if __name__ == "__main__":
    main()

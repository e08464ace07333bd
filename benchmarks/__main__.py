"""``python -m benchmarks [NAME]...``: measure and print; all modules by default.

Examples:
    python -m benchmarks              everything
    python -m benchmarks press        start-up, chapters, site and sizes
"""

import importlib
import os
import pkgutil
import platform
import sys

import benchmarks
from gradbook.errors import unknown


def main() -> None:
    """Print one table a benchmark."""
    known = [module.name for module in pkgutil.iter_modules(benchmarks.__path__) if not module.name.startswith("_")]
    chosen = sys.argv[1:] or known
    for name in chosen:
        if name not in known:
            sys.exit(str(unknown("benchmark", name, known)))
    print(f"{platform.platform()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n")
    for name in chosen:
        print(f"{name}: {importlib.import_module(f'benchmarks.{name}').__doc__.splitlines()[0]}")
        print(importlib.import_module(f"benchmarks.{name}").measure().to_string(index=False), end="\n\n", flush=True)


if __name__ == "__main__":
    main()

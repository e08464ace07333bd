"""What the press has run inside its kernels before their chapters: a watch over what a chapter uses."""

import json
import sys
from pathlib import Path

from IPython import get_ipython

PACKAGE = Path(__file__).resolve().parents[1]  # not from gradbook.files, which would count as imported by the chapter


def watch(report: str, book: str) -> None:
    """Write to a file, after each cell, which modules of the library were imported and which tables of ``book/`` read.

    The file is JSON: ``modules`` are paths below ``gradbook/``, those of the press left out, which no chapter imports;
    ``tables`` are paths below ``book/`` without suffix.

    Args:
        report: path of that file.
        book: path of the folder ``book/``.
    """
    tables = set()

    def note(event: str, arguments: tuple) -> None:
        if event == "open" and isinstance(arguments[0], str) and (path := Path(arguments[0])).is_relative_to(book):
            tables.add(path.relative_to(book).with_suffix("").as_posix())

    def write(_: object) -> None:
        files = [module.__file__ for name, module in sys.modules.copy().items() if _counts(name)]
        modules = sorted(Path(file).resolve().relative_to(PACKAGE).as_posix() for file in files)
        Path(report).write_text(json.dumps({"modules": modules, "tables": sorted(tables)}), encoding="utf-8")

    sys.addaudithook(note)
    get_ipython().events.register("post_run_cell", write)


def _counts(module: str) -> bool:
    names = module.split(".")
    return names[0] == "gradbook" and names[1:2] != ["press"]

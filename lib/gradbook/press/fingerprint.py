"""What a chapter's outputs depend on, as one digest an ingredient, so that a change can be named."""

import ast
import importlib.metadata
import json
import platform
from functools import cache
from pathlib import Path
from typing import Any

from gradbook.press.chapters import Chapter
from gradbook.press.checkout import digest

PACKAGE = Path(__file__).resolve().parents[1]


def fingerprint(chapter: Chapter, parameters: dict[str, Any]) -> dict[str, str]:
    """Ingredient → digest: the source, the parameters, the environment, and each file of the library it reads.

    A file of the library counts when the source imports it, directly or through other modules; when it is a result or
    a table of published numbers that the source names in a string; or when it is a table named as a module that counts.
    """
    source = chapter.source.read_text(encoding="utf-8")
    tree = ast.parse(source)
    modules = imported_modules(tree)
    files = {path: path.read_bytes() for path in modules | tables_of(modules) | named_tables(tree)}
    return {
        "source": digest(source.encode()),
        "parameters": digest(json.dumps(parameters, sort_keys=True).encode()),
        "environment": environment(),
        **{f"gradbook/{path.relative_to(PACKAGE).as_posix()}": digest(text) for path, text in sorted(files.items())},
    }


def changed(old: dict[str, str], new: dict[str, str]) -> list[str]:
    """The ingredients that differ between two fingerprints.

    >>> changed({"source": "a", "gradbook/plots.py": "b"}, {"source": "a", "gradbook/seeds.py": "c"})
    ['gradbook/plots.py', 'gradbook/seeds.py']
    """
    return sorted(name for name in old | new if old.get(name) != new.get(name))


@cache
def environment() -> str:
    """A digest of the Python version and of every installed distribution's name and version."""
    installed = {(d.name or "", d.version) for d in importlib.metadata.distributions()}
    return digest(platform.python_version().encode(), repr(sorted(installed)).encode())


def imported_modules(tree: ast.AST) -> set[Path]:
    """The files of gradbook that a syntax tree imports, and those that they import in turn."""
    found: set[Path] = set()
    waiting = _imports(tree, "")
    while waiting:
        name = waiting.pop()
        path = _module_file(name)
        if path is None or path in found:
            continue
        found.add(path)
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        waiting |= _imports(ast.parse(path.read_text(encoding="utf-8")), package)
    return found


def tables_of(modules: set[Path]) -> set[Path]:
    """The tables that stand in ``book/`` itself under the name of one of these modules."""
    names = {path.stem for path in modules}
    return {path for suffix in ("csv", "yml") for path in PACKAGE.glob(f"book/*.{suffix}") if path.stem in names}


def named_tables(tree: ast.AST) -> set[Path]:
    """The results and published numbers under ``book/`` whose stem stands as a string in the tree."""
    strings = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    tables = [*PACKAGE.glob("book/results/*"), *PACKAGE.glob("book/published/*")]
    return {path for path in tables if path.name.partition(".")[0] in strings}


def _imports(tree: ast.AST, package: str) -> set[str]:
    """Dotted names below gradbook that a tree imports or reaches as attributes, with all their parents."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package.rsplit(".", node.level - 1)[0] if node.level else ""
            module = ".".join(part for part in (base, node.module) if part)
            names |= {module} | {f"{module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Attribute):
            names.add(ast.unparse(node))
    parts = [name.split(".") for name in names if name == "gradbook" or name.startswith("gradbook.")]
    return {".".join(part[:length]) for part in parts for length in range(1, len(part) + 1)}


def _module_file(name: str) -> Path | None:
    path = PACKAGE.joinpath(*name.split(".")[1:])
    for file in (path / "__init__.py", path.with_suffix(".py")):
        if file.is_file():
            return file
    return None

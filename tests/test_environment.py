"""environment.yml, pyproject.toml and requirements.lock describe one environment."""

import ast
import importlib.metadata
import re
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from gradbook import cli

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
PYTHONS = ["3.11", "3.12", "3.13"]


def locked(python: str) -> dict[str, str]:
    """Name → version of what the lock installs on Linux with one version of Python."""
    environment = {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_machine": "x86_64",
        "platform_python_implementation": "CPython",
        "implementation_name": "cpython",
    }
    found: dict[str, str] = {}
    for requirement in map(Requirement, re.findall(r"^\S[^\\\n]*", LOCK, flags=re.MULTILINE)):
        if requirement.marker is None or requirement.marker.evaluate(environment):
            (pin,) = requirement.specifier
            assert pin.operator == "==", f"{requirement} is not one exact version"
            name = canonicalize_name(requirement.name)
            assert name not in found, f"{name} is locked twice for Python {python}"
            found[name] = pin.version
    return found


def required() -> list[Requirement]:
    """Everything that pyproject.toml names for making the book: all but the other backends of Keras."""
    extras = [names for extra, names in PROJECT["optional-dependencies"].items() if extra not in ("jax", "torch")]
    return [Requirement(text) for group in (PROJECT["dependencies"], *extras) for text in group]


@pytest.mark.parametrize("python", PYTHONS)
def test_the_lock_holds_an_allowed_version_of_everything_required(python):
    versions = locked(python)
    unmet = [
        f"{requirement}, locked: {versions.get(canonicalize_name(requirement.name))}"
        for requirement in required()
        if not requirement.specifier.contains(versions.get(canonicalize_name(requirement.name), "0"))
    ]
    assert unmet == []


def imported(path: Path) -> set[str]:
    """The packages that a file imports, its own neighbours and this book's left aside."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(node.module.partition(".")[0])
    return found - set(sys.stdlib_module_names)


def test_what_is_imported_is_required_by_name():
    """What comes along with another package may stay away with its next version."""
    makers = importlib.metadata.packages_distributions()  # of nothing that is not installed, such as other backends
    inside = {"distributed": "dask", "myst_nb": "jupyter-book", "pydata_sphinx_theme": "jupyter-book"}
    names = {canonicalize_name(requirement.name) for requirement in required()} | {"gradbook"}
    files = [path for folder in ("lib", "notebooks", "tests", "benchmarks") for path in (ROOT / folder).rglob("*.py")]
    unnamed = {
        module: path.relative_to(ROOT).as_posix()
        for path in files
        for module in imported(path)
        if module in makers and not names & {canonicalize_name(inside.get(module, maker)) for maker in makers[module]}
    }
    assert unnamed == {}


def test_a_command_that_lacks_a_module_names_the_extra_that_brings_it():
    makers = importlib.metadata.packages_distributions() | {"distributed": ["dask"]}
    for module, extra in cli.EXTRAS.items():
        brought = {canonicalize_name(Requirement(text).name) for text in PROJECT["optional-dependencies"][extra]}
        assert brought & set(map(canonicalize_name, makers[module])), module


def test_every_locked_version_has_a_hash_and_no_address_is_named():
    entries = re.split(r"\n(?=\S)", LOCK.strip())
    assert [entry.partition(" ")[0] for entry in entries if "--hash=sha256:" not in entry] == []
    assert re.findall(r"https?://\S+|--(?:extra-)?index-url|--find-links| @ ", LOCK) == []


def test_the_pythons_are_the_same_everywhere():
    allowed = Requirement(f"python{PROJECT['requires-python']}").specifier
    assert [python for python in ("3.10", *PYTHONS, "3.14") if allowed.contains(python)] == PYTHONS
    (conda,) = [entry for entry in conda_dependencies() if isinstance(entry, str) and entry.startswith("python")]
    assert conda.partition("=")[2] in PYTHONS


def test_conda_users_get_the_lock_and_nothing_beside_it():
    plain = [re.split("[ =<>]", entry)[0] for entry in conda_dependencies() if isinstance(entry, str)]
    (pip,) = [entry["pip"] for entry in conda_dependencies() if isinstance(entry, dict)]
    assert sorted(plain) == ["make", "pip", "python"]
    assert [line.split() for line in pip] == [["--requirement", "requirements.lock"]]


def test_readers_packages_have_floors_only():
    bounds = {operator for text in PROJECT["dependencies"] for operator in re.findall("[<>=!~]+", text)}
    assert bounds == {">="}


def test_the_version_is_cited_as_it_is():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))["version"]
    assert cited == PROJECT["version"]


def test_the_workflows_make_targets_that_there_are():
    targets = set(
        re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)[0].split()
    )
    workflows = {path: path.read_text(encoding="utf-8") for path in ROOT.glob(".github/workflows/*.yml")}
    made = {name for text in workflows.values() for name in re.findall(r"\bmake ([a-z]+)", text)}
    assert made and made <= targets
    actions = {use for text in workflows.values() for use in re.findall(r"uses: (\S+)", text)}
    names = [use.partition("@")[0] for use in actions]
    assert len(names) == len(set(names)), "one version of each action"


def conda_dependencies() -> list:
    """The entries of environment.yml."""
    return yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]


ALLOWED = r"apache|bsd|mit\b|isc\b|psf|python software foundation|mpl|mozilla|public domain|hpnd"
EXCEPTIONS = {
    "axe-playwright-python": "names no licence in its metadata; the text beside it is the MIT licence's",
    "docutils": "in the public domain but for parts, of which one for Emacs is under the GPL and not imported",
    "namex": "names no licence in its metadata; its repository says Apache 2.0",
}


def licence(distribution: importlib.metadata.Distribution) -> str:
    """What a distribution says of its licence: an SPDX expression, else classifiers, else the field's first line."""
    about = distribution.metadata
    classifiers = [text for text in about.get_all("Classifier") or [] if text.startswith("License ::")]
    return about.get("License-Expression") or "; ".join(classifiers) or (about.get("License") or "").partition("\n")[0]


def test_every_licence_allows_this_use():
    names = set().union(*map(locked, PYTHONS))
    found = {canonicalize_name(one.name): licence(one) for one in importlib.metadata.distributions()}
    stated = {name: found[name] for name in names - EXCEPTIONS.keys() if name in found}
    assert len(stated) > 100
    assert [one for one in stated.items() if not re.search(ALLOWED, one[1].lower()) or "gpl" in one[1].lower()] == []

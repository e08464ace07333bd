"""The cases of the matrix, derived from what each chapter says its parameters may be."""

from collections.abc import Iterator
from typing import Any

from gradbook.data import SOURCES, describe
from gradbook.parameters import NUMBER, choices
from gradbook.press.chapters import Chapter, find_chapters, profile_parameters

OWN = "bars.npz"
"""Stands for a dataset of the reader's own, made where a case runs."""

NAMES = ["$x$", "$y", "cat/dog", "a_b", "猫", "<b>"]
"""Of its classes: what could be read as a formula, a path or a tag, and what a font may lack."""

IMAGES = "a dataset of images"
"""What chapters say that take such a dataset."""

MUCH = {"integer": 2, "number": 10}
"""What is taken for much of a number without an upper bound: so many times the default."""

INTERACTING: dict[str, list[dict[str, Any]]] = {
    "10_concept": [
        {"n_seeds": 1, "epochs": 1, "steps_per_epoch": 1},
        {"dataset": OWN, "main_classes": "$x$/cat/dog", "auxiliary_classes": "0/1"},
        {"main_classes": "1/2", "auxiliary_classes": "2/1"},
    ],
    "11_imdb": [{"rule": "orthogonal", "weight": 1000.0, "alpha": 1.0}, {"rule": "single_task", "n_seeds": 1}],
    "12_imagenet_pairs": [{"dataset": OWN, "near": "$x$/$y", "far": "猫/5"}, {"near": "1/0", "far": "0/1"}],
    "13_many_tasks": [{"dataset": OWN, "n_seeds": 1}, {"steps": 1, "epochs": 1}],
    "20_synthetic_gradients": [{"depth": 1, "width": 1}, {"depth": 30, "steps": 1}, {"n_seeds": 1, "copy_steps": 100}],
    "21_without_backward": [
        {"depth": 1, "width": 2},
        {"n_seeds": 1, "steps": 1},
        {"dataset": OWN, "batch_size": 1000, "steps": 7},
    ],
    "30_gradnets": [{"depth": 4, "n_seeds": 1}, {"tau": 100.0, "epochs": 1}, {"keep": 0.5, "penalty": 50.0}],
    "31_deep_from_the_start": [{"depth": 4, "width": 2, "epochs": 1}, {"learning_rate": 0.01, "n_seeds": 1}],
    "40_low_rank_convolutions": [{"depth": 16, "budget": 12_000}, {"images": 64, "epochs": 1, "n_seeds": 1}],
    "41_structured_matrices": [{"width": 16, "budget": 100_000}, {"dataset": OWN, "width": 256, "budget": 1}],
}
"""Pairs, or more, that one section of a chapter uses together."""


def least(chapter: Chapter) -> dict[str, Any]:
    """Return every whole number of a chapter but its seed at the least that it may be."""
    found = {}
    for name, (_, allowed) in chapter.declared.items():
        match = NUMBER.fullmatch(allowed)
        if match and match["kind"] == "integer" and name != "seed":
            found[name] = int(match["least"])
    return found


def extremes(default: Any, allowed: str) -> Iterator[Any]:
    """Yield the values at the ends of what a parameter may be; of a name every other one."""
    if allowed.startswith("None or "):
        yield from () if default is None else [None]
        allowed = allowed.removeprefix("None or ")
    if match := NUMBER.fullmatch(allowed):
        yield from _ends(default, match)
    elif allowed == "true or false":
        yield not default
    elif allowed.startswith("one of "):
        yield from (value for value in choices(allowed).values() if value != default)
    elif allowed.startswith("a dataset of "):
        kind = allowed.removeprefix("a dataset of ")
        here = [entry.name for entry in describe() if entry.present and SOURCES[entry.name].kind == kind]
        yield from (name for name in here if name != default)
        yield from [OWN] if allowed == IMAGES else []


def _ends(default: Any, match: Any) -> Iterator[Any]:
    kind = int if match["kind"] == "integer" else float
    if match["least"]:
        low = kind(match["least"])
        inside = low + 1 if kind is int else min(low + 1e-6, default)
        yield inside if match["low"] == "above" else low
    if match["most"]:
        high = kind(match["most"])
        inside = high - 1 if kind is int else high - 1e-6
        yield inside if match["high"] == "below" else high
    else:
        yield kind(MUCH[match["kind"]] * (default or 1))


def cases(root: Any) -> list[tuple[Chapter, dict[str, Any]]]:
    """Return chapter and parameters of each case: one parameter at an end, those that interact, the profile full."""
    found = []
    full = profile_parameters(root, "full")
    for chapter in find_chapters(root):
        for name, (default, allowed) in chapter.declared.items():
            found += [(chapter, {name: value}) for value in extremes(default, allowed) if value != default]
        found += [(chapter, given) for given in INTERACTING.get(chapter.name, [])]
        if cut := full.get(chapter.name):
            found.append((chapter, cut | least(chapter)))
    return found

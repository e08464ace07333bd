"""The book's studies by name. An experiment is imported when its study is asked for, so that names cost nothing."""

import itertools
from collections.abc import Callable

from gradbook.errors import unknown
from gradbook.studies.study import Study, grid


def concept() -> Study:
    """The concept on MNIST: four rules, with a helper that is labelled truly or not at all."""
    from gradbook.auxiliary.concept import EXPERIMENT, Configuration

    runs = grid(
        Configuration,
        dataset=["mnist"],
        helper_labels=["true", "zero"],
        rule=["single_task", "multitask", "unweighted_cosine", "projection"],
        seed=range(10),
    )
    return Study("concept", EXPERIMENT, runs)


def imdb() -> Study:
    """Weight decay as a helper on IMDB: 55 cells, and three of them with reviews shuffled whole.

    Ten seeds in the six cells compared, five in the three, three in the others.
    """
    from gradbook.auxiliary.imdb import EXPERIMENT, Configuration

    compared = [
        ("single_task", 0, 1),
        ("multitask", 30, 1),
        ("projection", 100, 0.01),
        ("orthogonal", 100, 0.01),
        ("weighted_cosine", 100, 1),
        ("unweighted_cosine", 10, 1),
    ]
    weights, alphas = (1, 3, 10, 30, 100, 300), (0.01, 1)
    cells = [("multitask", weight, 1) for weight in weights]
    for rule in ("projection", "orthogonal", "weighted_cosine", "unweighted_cosine"):
        cells += itertools.product([rule], weights, alphas)

    def runs(cells: list[tuple[str, float, float]], seeds: int, buffer: int = 1000) -> list[Configuration]:
        return [
            Configuration(dataset="imdb", rule=rule, weight=weight, alpha=alpha, shuffle_buffer=buffer, seed=seed)
            for rule, weight, alpha in cells
            for seed in range(seeds)
        ]

    others = [cell for cell in cells if cell not in compared]
    return Study("imdb", EXPERIMENT, (*runs(compared, 10), *runs(compared[:3], 5, buffer=20_000), *runs(others, 3)))


def gradnets() -> Study:
    """Fifty layers on MNIST: the published run, its controls, then other rises, initialisations and depths."""
    from gradbook.gradnets.mnist import EXPERIMENT, Configuration

    plain_descent = {"optimizer": ["gradient_descent"], "learning_rate": [0.01], "decay": [1], "keep": [1], "penalty": [0]}
    sparsely = {"log_every": [550], "seed": range(5)}
    runs = (
        *grid(Configuration, seed=range(10)),
        *grid(Configuration, gate=[1, 0], **sparsely),
        *grid(Configuration, layer=["highway"], bias=[0.1], **plain_descent, seed=range(5)),
        *grid(Configuration, layer=["preactivation"], initialiser=["truncated_normal", "he", "orthogonal"], **sparsely),
        *grid(Configuration, layer=["leaky", "residual"], **sparsely),
        *grid(Configuration, tau=[1, 2, 5, 20], **sparsely),
        *grid(Configuration, depth=[10, 25, 100, 200], **sparsely),
    )
    return Study("gradnets", EXPERIMENT, runs)


STUDIES: dict[str, Callable[[], Study]] = {"concept": concept, "imdb": imdb, "gradnets": gradnets}


def study(name: str) -> Study:
    """The study of that name.

    Raises:
        InputError: there is none.
    """
    if name not in STUDIES:
        raise unknown("study", name, STUDIES)
    return STUDIES[name]()

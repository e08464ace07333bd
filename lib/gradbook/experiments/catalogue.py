"""The book's studies by name. An experiment is imported when its study is asked for, so that names cost nothing."""

import itertools
from collections.abc import Callable
from typing import get_args

from gradbook.errors import unknown
from gradbook.studies.study import Study, grid


def concept() -> Study:
    """The concept on MNIST: four rules, with a helper that is labelled truly or not at all."""
    from gradbook.experiments.concept import EXPERIMENT, Configuration

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
    from gradbook.experiments.imdb import EXPERIMENT, Configuration

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


def pairs() -> Study:
    """A class and its helper class among photographs: two near pairs, two far ones, and one class with itself.

    The published runs take 20,000 steps at a rate of 1e-6; 4,000 at 5e-6 can lead the weights as far.
    """
    from gradbook.experiments.pairs import EXPERIMENT, Configuration

    photographs = {"dataset": ["tiny-imagenet"], "network": ["resnet_18"], "learning_rate": [5e-6]}
    size = {"epochs": [4], "steps_per_epoch": [1000]}
    modes = ["single_task", "unweighted_cosine", "multitask"]
    classes = [
        ("Labrador retriever", "golden retriever"),
        ("school bus", "king penguin"),
        ("tabby", "Egyptian cat"),
        ("pizza", "African elephant"),
        ("goldfish", "goldfish"),
    ]
    runs = [
        grid(Configuration, **photographs, **size, main_class=[main], helper_class=[helper], rule=modes, seed=range(3))
        for main, helper in classes
    ]
    return Study("pairs", EXPERIMENT, tuple(itertools.chain(*runs)))


def gradnets() -> Study:
    """Fifty layers on MNIST: the published run, its controls, then other rises, initialisations and depths."""
    from gradbook.experiments.gradnets import EXPERIMENT, Configuration

    plain_descent = {
        "optimizer": ["gradient_descent"],
        "learning_rate": [0.01],
        "decay": [1],
        "keep": [1],
        "penalty": [0],
    }
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


def gradnets_relatives() -> Study:
    """What else a gate can turn, each in a small network on the small images, beside its two ends."""
    from gradbook.experiments.gradnets_variants import EXPERIMENT, Configuration, Relative

    forms = ["early", "late", "gradual"]
    setting = {"dataset": ["digits"], "epochs": [20]}
    runs = grid(Configuration, **setting, relative=get_args(Relative), form=forms, seed=range(3))
    return Study("gradnets_relatives", EXPERIMENT, runs)


def synthetic() -> Study:
    """Synthetic gradients on MNIST: modes, update probabilities, depths, other predictors; one network on CIFAR-10."""
    from gradbook.experiments.synthetic import EXPERIMENT, Configuration

    every = ["backpropagation", "no backpropagation", "DNI", "cDNI"]
    runs = (
        *grid(Configuration, mode=every, seed=range(5)),
        *grid(Configuration, update_probability=[0.2, 0.05, 0.5, 0.1], seed=range(5)),
        *grid(Configuration, depth=[6, 4, 5], mode=["cDNI", "DNI", "backpropagation"], seed=range(5)),
        *grid(Configuration, target=["true"], seed=range(5)),
        *grid(Configuration, mode=["no backpropagation"], initializer=["glorot_uniform"], seed=range(5)),
        *grid(
            Configuration,
            dataset=["cifar10"],
            network=["convolutional"],
            mode=every,
            width=[32],
            batch_size=[64],
            learning_rate=[1e-3],
            steps=[1500],
            seed=range(5),
        ),
    )
    return Study("synthetic", EXPERIMENT, runs)


def lowrank() -> Study:
    """Students on CIFAR-10: families at two budgets, with and without a teacher; then decay, cutout, shuffle, rate."""
    from gradbook.experiments.lowrank import EXPERIMENT, Configuration

    size = {"depth": [16], "width": [2], "images": [10_000], "epochs": [10], "batch_size": [128]}
    cifar = {"dataset": ["cifar10"], "cutout": [16], "seed": range(2)} | size
    families = [
        "low_rank",
        "shuffle",
        "separable_hashed",
        "tensor_train",
        "tucker",
        "acdc",
        "hashed",
        "cp",
        "bottleneck",
    ]
    small, taught = {"budget": [36_000]}, {"beta": [1000]}
    runs = (
        *grid(Configuration, **cifar | {"seed": [0]}, family=["plain"]),
        *grid(Configuration, **cifar, family=["separable"], beta=[0, 1000]),
        *grid(Configuration, **cifar, family=families, budget=[36_000, 56_000], beta=[1000, 0]),
        *grid(Configuration, **cifar | small | taught, family=["low_rank", "acdc"], shared_decay=["full"]),
        *grid(Configuration, **cifar | small | {"cutout": [0]}, family=["separable_hashed"], beta=[0, 1000]),
        *grid(Configuration, **cifar | small | taught, family=["acdc"], order=["none"]),
        *grid(Configuration, **cifar | small | taught | {"seed": range(3)}, family=["acdc"], order=["random"]),
        *grid(Configuration, **cifar | small | taught | {"seed": [2]}, family=["acdc"]),
        *grid(Configuration, **cifar | small | taught, family=["hashed"], learning_rate=[0.01]),
    )
    return Study("lowrank", EXPERIMENT, runs)


def lowrank_times() -> Study:
    """What a batch costs each family's student at the budgets of ``lowrank``; to be run alone, with ``--workers 1``."""
    from gradbook.experiments.lowrank_times import EXPERIMENT, Configuration

    network = {"dataset": ["cifar10"], "depth": [16], "width": [2]}
    return Study("lowrank_times", EXPERIMENT, grid(Configuration, **network, budget=[36_000, 56_000], seed=range(2)))


STUDIES: dict[str, Callable[[], Study]] = {
    "concept": concept,
    "imdb": imdb,
    "pairs": pairs,
    "gradnets": gradnets,
    "gradnets_relatives": gradnets_relatives,
    "synthetic": synthetic,
    "lowrank": lowrank,
    "lowrank_times": lowrank_times,
}
"""The studies by name, each made when it is called."""


def study(name: str) -> Study:
    """The study of that name.

    Raises:
        InputError: there is none.
    """
    if name not in STUDIES:
        raise unknown("study", name, STUDIES)
    return STUDIES[name]()

"""Pairs of classes: does telling one class from all others help with another class, the more the closer they are?"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cache, partial
from typing import Literal

import numpy as np
from pydantic import ConfigDict, Field, model_validator

from gradbook.auxiliary import RuleName, Scope
from gradbook.data import load
from gradbook.errors import InputError, unknown
from gradbook.seeds import generator, set_seed
from gradbook.studies import experiment
from gradbook.studies.experiment import Experiment, Record
from gradbook.studies.study import Study, grid, plan
from gradbook.training import evaluator, order, require_finite

Examples = tuple[np.ndarray, np.ndarray]

PURPOSES = {"main": "main", "auxiliary": "helper", "test": "test"}
"""Task → the word that its random numbers are drawn for; another word would be another draw."""


class Configuration(experiment.Configuration):
    """One way to train a network to know a class, with another class as its auxiliary task.

    Attributes:
        dataset: what `gradbook.data.load` takes; images of three classes or more.
        main_class, auxiliary_class: names of classes. Either task tells its class from as many images of all classes
            but these two; of one and the same class, both tasks see the same images, and others of the other classes.
        network: one of `gradbook.auxiliary.networks.NETWORKS`.
        rule, scope: as in `gradbook.auxiliary.censor`.
        weight: λ, the auxiliary task's weight in the shared trunk.
        batch_norm: "inference" normalises by the averages that batch normalisation holds, which then stay as they are
            at the start, zero and one; "training" normalises by the batch.
        auxiliary_trunk: "shared", or "separate" for one of its own, by
            `gradbook.auxiliary.two_headed.descend_separate_trunks`.
        learning_rate: η of plain gradient descent.
        batch_size: examples a step, of either task.
        epochs, steps_per_epoch: how long; the main task is tested after each epoch.
    """

    model_config = ConfigDict(coerce_numbers_to_str=True)  # a class may be named by a number

    dataset: str = "digits"
    main_class: str = "3"
    auxiliary_class: str = "8"
    network: Literal["small", "resnet_18"] = "small"
    rule: RuleName = "unweighted_cosine"
    scope: Scope = "global"
    weight: float = Field(1.0, ge=0)
    batch_norm: Literal["inference", "training"] = "inference"
    auxiliary_trunk: Literal["shared", "separate"] = "shared"
    learning_rate: float = Field(0.01, gt=0)
    batch_size: int = Field(1, ge=1)
    epochs: int = Field(5, ge=1)
    steps_per_epoch: int = Field(100, ge=1)

    @model_validator(mode="after")
    def _separate_trunk_needs_a_gate(self) -> "Configuration":
        if self.auxiliary_trunk == "separate" and (self.rule, self.scope) != ("unweighted_cosine", "global"):
            raise ValueError(
                "auxiliary_trunk 'separate' goes with rule 'unweighted_cosine' and scope 'global'; "
                f"received {self.rule!r} and {self.scope!r}."
            )
        return self


@cache
def images(dataset: str) -> tuple[np.ndarray, np.ndarray, tuple[str, ...], str]:
    """Return all images of a dataset, training and test set together, their labels, class names and identity.

    Raises:
        InputError: the dataset holds no images.
    """
    data = load(dataset).require_images()
    x, y = np.concatenate([data.x_train, data.x_test]), np.concatenate([data.y_train, data.y_test])
    return x, y, data.classes, data.identity


def tasks(labels: np.ndarray, main: int, auxiliary: int, seed: int) -> dict[str, Examples]:
    """Draw the images of each task: "main" and "auxiliary" to train on, "test" for the main task.

    A fifth of every class is held out for both tasks, as scikit-learn's stratified ``train_test_split`` takes it by
    the seed. A task has all its class's images of its part, and as many drawn from those of the other classes.

    Args:
        labels: int [n].
        main, auxiliary: the two classes; at least one image of another class for each of their own must be there.

    Returns:
        For each, indices into the images and labels int32, 1 for the class and 0 for the others.
    """
    from sklearn.model_selection import train_test_split

    train, test = train_test_split(np.arange(len(labels)), test_size=0.2, random_state=seed, stratify=labels)

    def task(name: str, part: np.ndarray, chosen: int) -> Examples:
        own, others = part[labels[part] == chosen], part[~np.isin(labels[part], (main, auxiliary))]
        if len(others) < len(own):
            raise InputError(f"the task {name!r} needs {len(own)} images of other classes; there are {len(others)}.")
        drawn = generator(seed, "others", PURPOSES[name]).choice(others, len(own), replace=False)
        return np.concatenate([own, drawn]), np.repeat(np.array([1, 0], np.int32), len(own))

    return {
        "main": task("main", train, main),
        "auxiliary": task("auxiliary", train, auxiliary),
        "test": task("test", test, main),
    }


def summary(cosines: np.ndarray, auxiliary_norms: np.ndarray, main_norms: np.ndarray) -> dict[str, float]:
    """Return the means of what the steps of an epoch measured, each [steps]."""
    return {
        "cosine": cosines.mean(),
        "agreement": (cosines > 0).mean(),
        "clipped_product": (cosines * auxiliary_norms * main_norms).clip(-1, 1).mean(),
        "auxiliary_norm": auxiliary_norms.mean(),
        "main_norm": main_norms.mean(),
    }


def train(cell: Configuration, seeds: Sequence[int]) -> Iterator[Record]:
    """Train one network for each seed, one after the other through the same compiled epoch.

    Initial weights, the division of the images and what each step sees depend on the seed alone, so that rules compare
    in pairs.

    Metrics are ``test_accuracy`` and ``test_loss`` of the main task after the last epoch; and as means over all steps,
    of the two gradients in the trunk, ``cosine``, ``agreement``, ``clipped_product`` (what was published as a cosine),
    ``auxiliary_norm`` ‖u‖ and ``main_norm`` ‖v‖. Curves are the same, one number for each epoch. Under
    `unweighted_cosine` and the global scope, agreement is the fraction of steps that combined both gradients.

    Raises:
        InputError: a dataset without images, a class that it does not have, or too few other images.
        RunError: a cosine or a loss became NaN or infinite.
    """
    from keras.models import clone_model

    from gradbook.auxiliary import networks, two_headed

    pixels, labels, classes, identity = images(cell.dataset)
    for name in (cell.main_class, cell.auxiliary_class):
        if name not in classes:
            raise unknown(f"class in {cell.dataset}", name, classes)
    network, shape = networks.NETWORKS[cell.network], pixels.shape[1:]
    model, separate = network(shape), None
    choices = {"weight": cell.weight, "learning_rate": cell.learning_rate, "training": cell.batch_norm == "training"}
    if cell.auxiliary_trunk == "separate":
        separate = clone_model(model.trunk)
        step = partial(two_headed.descend_separate_trunks, model, separate, **choices)
    else:
        step = partial(two_headed.descend, model, rule=cell.rule, scope=cell.scope, **choices)
    epoch = two_headed.compiled_epoch(step)
    evaluate = evaluator(lambda images: model.main(model.trunk(images)), batch_size=100)
    steps = cell.epochs, cell.steps_per_epoch, cell.batch_size
    for seed in seeds:
        set_seed(seed)
        model.copy_weights(network(shape))
        if separate:
            separate.set_weights(model.trunk.get_weights())
        divided = tasks(labels, classes.index(cell.main_class), classes.index(cell.auxiliary_class), seed)
        main, auxiliary, test = ((pixels[indices], truth) for indices, truth in divided.values())
        main_order = order(len(main[1]), steps, generator(seed, PURPOSES["main"]))
        auxiliary_order = order(len(auxiliary[1]), steps, generator(seed, PURPOSES["auxiliary"]))
        curves = defaultdict(list)
        for number in range(cell.epochs):
            measured = summary(*epoch(main, auxiliary, main_order[number], auxiliary_order[number]).numpy())
            measured["test_loss"], measured["test_accuracy"] = evaluate(*test)
            for name, value in measured.items():
                curves[name].append(require_finite(float(value), name, f"epoch {number + 1}"))
        means = {name: np.mean(values) for name, values in curves.items()}
        last = {name: curves[name][-1] for name in ("test_loss", "test_accuracy")}
        yield Record(means | last, dict(curves), data=identity)


EXPERIMENT = Experiment("pairs", version=1, configuration=Configuration, train=train, stack=3)
run = EXPERIMENT.run

CLASSES = [
    ("Labrador retriever", "golden retriever"),
    ("school bus", "king penguin"),
    ("tabby", "Egyptian cat"),
    ("pizza", "African elephant"),
    ("goldfish", "goldfish"),
]
"""Main and auxiliary class: two near pairs, two far ones, and one class with itself."""


def cells(main_class: str, auxiliary_class: str, **fields: list) -> tuple[Configuration, ...]:
    """Return the study's cells of one pair of classes, with other values of fields where they are given.

    The published runs take 20,000 steps at a learning rate of 1e-6; 4,000 at 5e-6 can lead the weights as far.
    """
    short = {"learning_rate": [5e-6], "epochs": [4], "steps_per_epoch": [1000]}
    return grid(
        Configuration,
        dataset=["tiny-imagenet"],
        network=["resnet_18"],
        main_class=[main_class],
        auxiliary_class=[auxiliary_class],
        rule=["single_task", "unweighted_cosine", "multitask"],
        **(short | fields),
    )


STUDY = Study(
    "pairs",
    EXPERIMENT,
    plan(
        *((cells(*pair), 3) for pair in CLASSES),
        (cells(*CLASSES[0], batch_size=[16], learning_rate=[8e-5], steps_per_epoch=[63]), 3),
        (cells(*CLASSES[0], learning_rate=[1e-6], epochs=[20]), 3),
    ),
)
"""All pairs; then one of them with as many images in batches of 16, and at the published rate and length."""

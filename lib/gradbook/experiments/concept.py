"""The concept on images: tell ones from twos, helped or hindered by an auxiliary task, threes from fours."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Literal

import numpy as np
from pydantic import Field

from gradbook.auxiliary import RuleName, Scope
from gradbook.data import load
from gradbook.data.dataset import Dataset
from gradbook.errors import InputError
from gradbook.seeds import generator, set_seed
from gradbook.studies import experiment
from gradbook.studies.experiment import Experiment, Record
from gradbook.studies.study import Study, grid, plan
from gradbook.training import evaluator, order, require_finite

STEPWISE = ("agreement", "cosine", "auxiliary_norm", "main_norm")
"""The metrics that are means over steps."""


class Configuration(experiment.Configuration):
    """One way to train the small convolutional network on two pairs of classes.

    Attributes:
        dataset: what `gradbook.data.load` takes.
        main_classes, auxiliary_classes: the two classes each task tells apart.
        auxiliary_labels: "true", or "zero": every auxiliary example is labelled as the first class, as in the code of
            szkocot (2019), where the labels were compared with a number that no longer occurs among them.
        rule, scope: as in `gradbook.auxiliary.censor`.
        weight: λ, the auxiliary task's weight in the shared trunk.
        learning_rate: η of plain gradient descent.
        batch_size: examples a step, of either task.
        epochs, steps_per_epoch: how long; the losses are measured after each epoch.
    """

    dataset: str = "digits"
    main_classes: tuple[int, int] = (1, 2)
    auxiliary_classes: tuple[int, int] = (3, 4)
    auxiliary_labels: Literal["true", "zero"] = "true"
    rule: RuleName = "unweighted_cosine"
    scope: Scope = "global"
    weight: float = Field(1.0, ge=0)
    learning_rate: float = Field(0.01, gt=0)
    batch_size: int = Field(1, ge=1)
    epochs: int = Field(10, ge=1)
    steps_per_epoch: int = Field(100, ge=1)


def pair(dataset: Dataset, classes: tuple[int, int], part: Literal["train", "test"]) -> tuple[np.ndarray, np.ndarray]:
    """Return the images of two classes, float32 [n, height, width, channels], and their labels, int32 [n].

    The label is 0 for the first class and 1 for the second.

    Raises:
        InputError: a dataset without images, a class that it does not have, or one class twice.
    """
    dataset.require_images()
    if classes[0] == classes[1]:
        raise InputError(f"the two classes of a task must differ; received {classes[0]} twice.")
    images, labels = getattr(dataset, f"x_{part}"), getattr(dataset, f"y_{part}")
    for name in classes:
        if name not in labels:
            raise InputError(f"class {name} does not occur in {dataset.name}; its classes are 0 to {labels.max()}.")
    chosen = np.isin(labels, classes)
    return images[chosen], (labels[chosen] == classes[1]).astype(np.int32)


def train(cell: Configuration, seeds: Sequence[int]) -> Iterator[Record]:
    """Train one network for each seed, one after the other through the same compiled epoch.

    Initial weights and the examples that each step sees depend on the seed alone, so that rules compare in pairs.

    Metrics are ``train_loss``, ``test_loss``, ``train_accuracy`` and ``test_accuracy`` of the main task after the last
    epoch; and as means over all steps, of the two gradients in the trunk, ``agreement``, ``cosine``,
    ``auxiliary_norm`` ‖u‖ and ``main_norm`` ‖v‖. Curves are the same eight, one number for each epoch. Under
    `unweighted_cosine` and the global scope, agreement is the fraction of steps that combined both gradients.

    Raises:
        InputError: a dataset without images, a class that it does not have, or one class twice.
        RunError: a cosine or a loss became NaN or infinite.
    """
    from gradbook.auxiliary import networks, two_headed

    dataset = load(cell.dataset)
    main, test = pair(dataset, cell.main_classes, "train"), pair(dataset, cell.main_classes, "test")
    images, labels = pair(dataset, cell.auxiliary_classes, "train")
    auxiliary = images, labels if cell.auxiliary_labels == "true" else np.zeros_like(labels)

    shape = images.shape[1:]
    model = networks.small(shape)
    choices = {"rule": cell.rule, "scope": cell.scope, "weight": cell.weight, "learning_rate": cell.learning_rate}
    epoch = two_headed.compiled_epoch(partial(two_headed.descend, model, **choices))
    evaluate = evaluator(lambda images: model.main(model.trunk(images)))
    steps = cell.epochs, cell.steps_per_epoch, cell.batch_size
    for seed in seeds:
        set_seed(seed)
        model.copy_weights(networks.small(shape))
        main_order = order(len(main[1]), steps, generator(seed, "main"))
        auxiliary_order = order(len(auxiliary[1]), steps, generator(seed, "helper"))  # another word is another draw
        curves = defaultdict(list)
        for number in range(cell.epochs):
            cosines, *norms = epoch(main, auxiliary, main_order[number], auxiliary_order[number]).numpy()
            measured = dict(zip(STEPWISE, map(np.mean, (cosines > 0, cosines, *norms)), strict=True))
            for part, examples in ("train", main), ("test", test):
                measured[f"{part}_loss"], measured[f"{part}_accuracy"] = evaluate(*examples)
            for name, value in measured.items():
                curves[name].append(require_finite(float(value), name, f"epoch {number + 1}"))
        last = {name: values[-1] for name, values in curves.items()}
        yield Record(last | {name: np.mean(curves[name]) for name in STEPWISE}, dict(curves), data=dataset.identity)


EXPERIMENT = Experiment("concept", version=1, configuration=Configuration, train=train, stack=5)
run = EXPERIMENT.run

STUDY = Study(
    "concept",
    EXPERIMENT,
    plan(
        (
            grid(
                Configuration,
                dataset=["mnist"],
                auxiliary_labels=["true", "zero"],
                rule=["single_task", "multitask", "unweighted_cosine", "projection"],
            ),
            10,
        )
    ),
)

"""The concept on images: tell ones from twos, helped or hindered by telling threes from fours."""

from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from gradbook.auxiliary import Rule, Scope
from gradbook.data import load
from gradbook.data.dataset import Dataset
from gradbook.errors import InputError
from gradbook.seeds import generator, set_seed
from gradbook.studies import experiment
from gradbook.studies.experiment import Experiment, Record
from gradbook.timing import Stopwatch
from gradbook.training import evaluator, order, require_finite

if TYPE_CHECKING:
    from gradbook.auxiliary.two_headed import TwoHeaded


STEPWISE = ("agreement", "cosine", "helper_length", "main_length")


class Configuration(experiment.Configuration):
    """One way to train the small convolutional network on two pairs of classes.

    Attributes:
        dataset: what `gradbook.data.load` takes.
        main_classes, helper_classes: the two classes each task tells apart.
        helper_labels: "true", or "zero": every helper example is labelled as the first class, as in the code of
            szkocot (2019), where the labels were compared with a number that no longer occurs among them.
        rule, scope: as in `gradbook.auxiliary.censor`.
        weight: λ, the helper's weight in the shared trunk.
        learning_rate: η of plain gradient descent.
        batch_size: examples a step, of either task.
        epochs, steps_per_epoch: how long; the losses are measured after each epoch.
    """

    dataset: str = "digits"
    main_classes: tuple[int, int] = (1, 2)
    helper_classes: tuple[int, int] = (3, 4)
    helper_labels: Literal["true", "zero"] = "true"
    rule: Rule = "unweighted_cosine"
    scope: Scope = "global"
    weight: float = Field(1.0, ge=0)
    learning_rate: float = Field(0.01, gt=0)
    batch_size: int = Field(1, ge=1)
    epochs: int = Field(10, ge=1)
    steps_per_epoch: int = Field(100, ge=1)


def network(image_shape: Sequence[int]) -> "TwoHeaded":
    """Two convolutions of 32 and 64 filters 3×3, pooled by 2, shared; a hidden layer of 128 and two logits a task."""
    from keras import Input, Sequential, layers

    from gradbook.auxiliary.two_headed import TwoHeaded

    trunk = Sequential([Input(tuple(image_shape))])
    for filters in (32, 64):
        trunk.add(layers.Conv2D(filters, 3, padding="same", activation="relu"))
        trunk.add(layers.MaxPooling2D(2, padding="same"))
    trunk.add(layers.Flatten())

    def head() -> Sequential:
        return Sequential([Input(trunk.output_shape[1:]), layers.Dense(128, activation="relu"), layers.Dense(2)])

    return TwoHeaded(trunk, main=head(), helper=head())


def pair(dataset: Dataset, classes: tuple[int, int], part: Literal["train", "test"]) -> tuple[np.ndarray, np.ndarray]:
    """Images of two classes, float32 [n, height, width, channels], and labels int32 [n]: 0 first class, 1 second.

    Raises:
        InputError: a dataset without images, or a class that it does not have.
    """
    dataset.require_images()
    images, labels = getattr(dataset, f"x_{part}"), getattr(dataset, f"y_{part}")
    for name in classes:
        if name not in labels:
            raise InputError(f"class {name} does not occur in {dataset.name}; its classes are 0 to {labels.max()}.")
    chosen = np.isin(labels, classes)
    return images[chosen], (labels[chosen] == classes[1]).astype(np.int32)


def run(configuration: Configuration, seeds: Sequence[int]) -> list[Record]:
    """Train one network a seed, one after the other through the same compiled epoch.

    Initial weights and the examples that each step sees depend on the seed alone, so that rules compare in pairs.

    Returns:
        A record a seed. Metrics: ``train_loss``, ``test_loss`` (nats), ``train_accuracy`` and ``test_accuracy`` of the
        main task after the last epoch; and as means over all steps, of the two gradients in the trunk, ``agreement``
        (the share with u·v > 0), ``cosine``, ``helper_length`` ‖u‖ and ``main_length`` ‖v‖.
        Curves: the same eight, an entry an epoch. Under `unweighted_cosine` and the global scope, agreement is the
        share of steps that combined both gradients.

    Raises:
        InputError: a dataset without images, or a class that it does not have.
        RunError: a cosine or a loss became NaN or infinite.
    """
    from gradbook.auxiliary import two_headed

    c = configuration
    dataset = load(c.dataset)
    main, test = pair(dataset, c.main_classes, "train"), pair(dataset, c.main_classes, "test")
    images, labels = pair(dataset, c.helper_classes, "train")
    helper = images, labels if c.helper_labels == "true" else np.zeros_like(labels)

    shape = images.shape[1:]
    model = network(shape)
    choices = {"rule": c.rule, "scope": c.scope, "weight": c.weight, "learning_rate": c.learning_rate}
    epoch = two_headed.compiled_epoch(partial(two_headed.descend, model, **choices))
    evaluate = evaluator(lambda images: model.main(model.trunk(images)))

    def curves(seed: int) -> dict[str, list[float]]:
        set_seed(seed)
        model.copy_weights(network(shape))
        steps = c.epochs, c.steps_per_epoch, c.batch_size
        main_order = order(len(main[1]), steps, generator(seed, "main"))
        helper_order = order(len(helper[1]), steps, generator(seed, "helper"))
        series = defaultdict(list)
        for number in range(c.epochs):
            cosines, *lengths = epoch(main, helper, main_order[number], helper_order[number]).numpy()
            measured = dict(zip(STEPWISE, map(np.mean, (cosines > 0, cosines, *lengths)), strict=True))
            for part, examples in ("train", main), ("test", test):
                measured[f"{part}_loss"], measured[f"{part}_accuracy"] = evaluate(*examples)
            for name, value in measured.items():
                series[name].append(require_finite(float(value), name, f"epoch {number + 1}"))
        return dict(series)

    with Stopwatch() as watch:
        runs = [curves(seed) for seed in seeds]
    return [
        Record(
            metrics={name: values[-1] for name, values in series.items()}
            | {name: float(np.mean(series[name])) for name in STEPWISE},
            curves=series,
            seconds=watch.seconds / len(runs),
            peak_memory=watch.peak_memory,
            data=dataset.identity,
        )
        for series in runs
    ]


EXPERIMENT = Experiment("concept", version=1, configuration=Configuration, run=run, stack=5)

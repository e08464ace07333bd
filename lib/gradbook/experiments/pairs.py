"""Pairs of classes: does telling one class from all else help with another class, the more the closer they are?"""

from collections import defaultdict
from collections.abc import Sequence
from functools import cache, partial
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from gradbook.auxiliary import Rule, Scope
from gradbook.data import load
from gradbook.errors import InputError, unknown
from gradbook.experiments import concept
from gradbook.seeds import generator, set_seed
from gradbook.studies import experiment
from gradbook.studies.experiment import Experiment, Record
from gradbook.timing import Stopwatch
from gradbook.training import evaluator, order, require_finite

if TYPE_CHECKING:
    from gradbook.auxiliary.two_headed import TwoHeaded

ClassName = Annotated[str, Field(coerce_numbers_to_str=True)]
Examples = tuple[np.ndarray, np.ndarray]


class Configuration(experiment.Configuration):
    """One way to train a network to know a class, with the help of another class.

    Attributes:
        dataset: what `gradbook.data.load` takes; images of three classes or more.
        main_class, helper_class: names of classes. Either task tells its class from as many images of all classes but
            these two; of one and the same class, both tasks see the same images of it, and other images of the others.
        network: "small", as in `gradbook.experiments.concept`, or "resnet_18".
        rule, scope: as in `gradbook.auxiliary.censor`.
        weight: λ, the helper's weight in the shared trunk.
        batch_norm: "inference" normalises by the averages that batch normalisation holds, which then stay as they are
            at the start, zero and one; "training" normalises by the batch.
        helper_trunk: "shared", or "apart" for a trunk of its own: see `gradbook.auxiliary.two_headed.descend_apart`.
        learning_rate: η of plain gradient descent.
        batch_size: examples a step, of either task.
        epochs, steps_per_epoch: how long; the main task is tested after each epoch.
    """

    dataset: str = "digits"
    main_class: ClassName = "3"
    helper_class: ClassName = "8"
    network: Literal["small", "resnet_18"] = "small"
    rule: Rule = "unweighted_cosine"
    scope: Scope = "global"
    weight: float = Field(1.0, ge=0)
    batch_norm: Literal["inference", "training"] = "inference"
    helper_trunk: Literal["shared", "apart"] = "shared"
    learning_rate: float = Field(0.01, gt=0)
    batch_size: int = Field(1, ge=1)
    epochs: int = Field(5, ge=1)
    steps_per_epoch: int = Field(100, ge=1)

    @model_validator(mode="after")
    def _apart_needs_a_gate(self) -> "Configuration":
        if self.helper_trunk == "apart" and (self.rule, self.scope) != ("unweighted_cosine", "global"):
            came = f"{self.rule!r} and {self.scope!r}"
            raise ValueError(f"helper_trunk 'apart' goes with rule 'unweighted_cosine' and scope 'global'; got {came}.")
        return self


@cache
def images(dataset: str) -> tuple[np.ndarray, np.ndarray, tuple[str, ...], str]:
    """All images of a dataset, published training and test set together, their labels, class names and identity.

    Raises:
        InputError: the dataset holds no images.
    """
    data = load(dataset).require_images()
    x, y = np.concatenate([data.x_train, data.x_test]), np.concatenate([data.y_train, data.y_test])
    return x, y, data.classes, data.identity


def tasks(labels: np.ndarray, main: int, helper: int, seed: int) -> dict[str, Examples]:
    """Which images each task sees: "main" and "helper" to train on, "test" for the main task.

    A fifth of every class is held out for both tasks, as scikit-learn's stratified ``train_test_split`` takes it by
    the seed. A task has all its class's images of its part, and as many drawn from those of the other classes.

    Args:
        labels: int [n].
        main, helper: the two classes; at least one image of another class for each of their own must be there.

    Returns:
        For each, indices into the images and labels int32, 1 for the class and 0 for the others.
    """
    from sklearn.model_selection import train_test_split

    train, test = train_test_split(np.arange(len(labels)), test_size=0.2, random_state=seed, stratify=labels)

    def task(name: str, part: np.ndarray, chosen: int) -> Examples:
        own, others = part[labels[part] == chosen], part[~np.isin(labels[part], (main, helper))]
        if len(others) < len(own):
            raise InputError(f"the task {name!r} needs {len(own)} images of other classes; there are {len(others)}.")
        drawn = generator(seed, "others", name).choice(others, len(own), replace=False)
        return np.concatenate([own, drawn]), np.repeat(np.array([1, 0], np.int32), len(own))

    return {
        "main": task("main", train, main),
        "helper": task("helper", train, helper),
        "test": task("test", test, main),
    }


def network(name: str, image_shape: Sequence[int]) -> "TwoHeaded":
    """The small network of `gradbook.experiments.concept`, or ResNet-v2-18 with two logits a task."""
    if name == "small":
        return concept.network(image_shape)

    from keras import Input, Sequential, layers

    from gradbook.auxiliary.resnet import resnet_18
    from gradbook.auxiliary.two_headed import TwoHeaded

    trunk = resnet_18(image_shape)

    def head() -> Sequential:
        return Sequential([Input(trunk.output_shape[1:]), layers.Dense(2, kernel_initializer="he_normal")])

    return TwoHeaded(trunk, main=head(), helper=head())


def run(configuration: Configuration, seeds: Sequence[int]) -> list[Record]:
    """Train one network a seed, one after the other through the same compiled epoch.

    Initial weights, the division of the images and what each step sees depend on the seed alone, so that rules compare
    in pairs.

    Returns:
        A record a seed. Metrics: ``test_accuracy`` and ``test_loss`` (nats) of the main task after the last epoch; and
        as means over all steps, of the two gradients in the trunk, ``cosine``, ``agreement`` (the share with u·v > 0),
        ``clipped_product`` (u·v, cut off at -1 and 1: what was published as a cosine), ``helper_length`` ‖u‖ and
        ``main_length`` ‖v‖. Curves: the same, an entry an epoch. Under `unweighted_cosine` and the global scope,
        agreement is the share of steps that combined both gradients.

    Raises:
        InputError: a dataset without images, a class that it does not have, or too few other images.
        RunError: a cosine or a loss became NaN or infinite.
    """
    from keras.models import clone_model

    from gradbook.auxiliary import two_headed

    c = configuration
    pixels, labels, classes, identity = images(c.dataset)
    for name in (c.main_class, c.helper_class):
        if name not in classes:
            raise unknown(f"class in {c.dataset}", name, classes)
    shape = pixels.shape[1:]
    model = network(c.network, shape)
    choices = {"weight": c.weight, "learning_rate": c.learning_rate, "training": c.batch_norm == "training"}
    if c.helper_trunk == "apart":
        apart = clone_model(model.trunk)
        step = partial(two_headed.descend_apart, model, apart, **choices)
    else:
        step = partial(two_headed.descend, model, rule=c.rule, scope=c.scope, **choices)
    epoch = two_headed.compiled_epoch(step)
    evaluate = evaluator(lambda images: model.main(model.trunk(images)), batch_size=100)

    def curves(seed: int) -> dict[str, list[float]]:
        set_seed(seed)
        model.copy_weights(network(c.network, shape))
        if c.helper_trunk == "apart":
            apart.set_weights(model.trunk.get_weights())
        divided = tasks(labels, classes.index(c.main_class), classes.index(c.helper_class), seed)
        main, helper, test = ((pixels[indices], truth) for indices, truth in divided.values())
        steps = c.epochs, c.steps_per_epoch, c.batch_size
        orders = [
            order(len(task[1]), steps, generator(seed, name)) for task, name in ((main, "main"), (helper, "helper"))
        ]
        series = defaultdict(list)
        for number, (main_order, helper_order) in enumerate(zip(*orders, strict=True), start=1):
            measured = summary(*epoch(main, helper, main_order, helper_order).numpy())
            measured["test_loss"], measured["test_accuracy"] = evaluate(*test)
            for name, value in measured.items():
                series[name].append(require_finite(float(value), name, f"epoch {number}"))
        return dict(series)

    records = []
    for seed in seeds:
        with Stopwatch() as watch:
            series = curves(seed)
        last = {name: series[name][-1] for name in ("test_loss", "test_accuracy")}
        means = {name: float(np.mean(values)) for name, values in series.items()}
        records.append(Record(means | last, series, watch.seconds, watch.peak_memory, identity))
    return records


def summary(cosines: np.ndarray, helper_lengths: np.ndarray, main_lengths: np.ndarray) -> dict[str, float]:
    """What the steps of an epoch measured, each [steps], as means."""
    return {
        "cosine": cosines.mean(),
        "agreement": (cosines > 0).mean(),
        "clipped_product": (cosines * helper_lengths * main_lengths).clip(-1, 1).mean(),
        "helper_length": helper_lengths.mean(),
        "main_length": main_lengths.mean(),
    }


EXPERIMENT = Experiment("pairs", version=1, configuration=Configuration, run=run, stack=3)

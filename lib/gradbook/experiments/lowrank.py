"""Students of every family at equal budgets: a wide residual network with fewer weights, with and without a teacher."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field, model_validator

from gradbook.data import load, root
from gradbook.data.cache import alone_in
from gradbook.lowrank import FamilyName
from gradbook.seeds import generator, set_seed
from gradbook.studies import experiment
from gradbook.studies.experiment import Experiment, Record
from gradbook.timing import Stopwatch
from gradbook.training import require_finite

if TYPE_CHECKING:
    from collections.abc import Callable

    import keras

    from gradbook.lowrank.distill import Learner
    from gradbook.lowrank.protocol import Protocol

HELD_OUT = 0.1  # of the training images


class Configuration(experiment.Configuration):
    """One student.

    Attributes:
        dataset: what `gradbook.data.load` takes; images.
        depth, width: of the wide residual network, teacher and student alike.
        family: of the student's convolutions, a name of `gradbook.lowrank.convs.table.FAMILIES`.
        value: of the family's hyperparameter; None where it has none or where a budget is given.
        budget: parameters that the student is brought to; None: no budget.
        order: how ACDC shuffles its channels; for other families None.
        beta: weight of attention transfer from a dense teacher; 0: no teacher.
        shared_decay: "compressed" lowers the weight decay on shared weights by the share of parameters kept, "full"
            does not.
        images: training images used at most.
        epochs, batch_size, learning_rate, cutout: of the protocol, which is the research log's otherwise; a teacher's
            learning rate is always the log's.
    """

    dataset: str = "digits"
    depth: int = Field(10, ge=10)
    width: int = Field(1, ge=1)
    family: FamilyName = "plain"
    value: float | None = None
    budget: int | None = Field(None, ge=1)
    order: Literal["riffle", "random", "none"] | None = None
    beta: float = Field(0.0, ge=0)
    shared_decay: Literal["compressed", "full"] = "compressed"
    images: int = Field(20_000, ge=10)
    epochs: int = Field(10, ge=1)
    batch_size: int = Field(64, ge=1)
    learning_rate: float = Field(0.1, gt=0)
    cutout: int = Field(2, ge=0)

    @model_validator(mode="after")
    def _consistent(self) -> "Configuration":
        if self.value is not None and self.budget is not None:
            raise ValueError("value and budget both set the student's size; give one of them")
        fixed = self.family in ("plain", "separable")
        if fixed != (self.value is None and self.budget is None):
            wants = "neither value nor budget" if fixed else "a value or a budget"
            raise ValueError(f"family {self.family!r} takes {wants}; received {self.value} and {self.budget}")
        if self.order is not None and self.family != "acdc":
            raise ValueError(f"order is acdc's; family {self.family!r} shuffles no channels in that way")
        return self


def run(configuration: Configuration, seeds: Sequence[int]) -> list[Record]:
    """Train one student a seed; the teacher, if there is one, is trained once and kept beside the datasets.

    Returns:
        A record a seed. Metrics: ``test_loss``, ``held_out_loss`` (nats), ``test_accuracy``, ``held_out_accuracy`` (in
        [0, 1]; of the test images those that are no lossy copies, of the held-out ones all), ``parameters`` and
        ``mult_adds`` of the student, its ``hyperparameter`` (0 where it has none), and ``teacher_accuracy`` on the
        test images.
        Curves, an entry an epoch: ``train_loss`` with all that is in it, ``train_accuracy``, on augmented images.

    Raises:
        InputError: a dataset without images, an unknown family, a budget it cannot meet.
        RunError: a loss became NaN or infinite.
    """
    data = Images(configuration)
    with Stopwatch() as watch:
        student = Student(configuration, data)
        measured = [student.trained(seed) for seed in seeds]
    seconds = watch.seconds / len(seeds)
    return [Record(*one, seconds, watch.peak_memory, data.identity) for one in measured]


class Images:
    """What the experiment trains and measures on, standardised channel by channel."""

    def __init__(self, configuration: Configuration):
        dataset = load(configuration.dataset).require_images()
        order = generator(0, "held out").permutation(len(dataset.y_train))
        held_out, kept = np.split(order, [round(HELD_OUT * len(order))])
        kept = kept[: configuration.images]
        mean, spread = (getattr(dataset.x_train, moment)(axis=(0, 1, 2)) for moment in ("mean", "std"))
        lossless = slice(None) if dataset.test_is_lossless is None else dataset.test_is_lossless
        self.train = (dataset.x_train[kept] - mean) / spread, dataset.y_train[kept]
        self.held_out = (dataset.x_train[held_out] - mean) / spread, dataset.y_train[held_out]
        self.test = (dataset.x_test[lossless] - mean) / spread, dataset.y_test[lossless]
        self.shape, self.classes = dataset.x_train.shape[1:], len(dataset.classes)
        self.identity = dataset.identity


def protocol(configuration: Configuration) -> "Protocol":
    """The research log's protocol for wide residual networks, at the configuration's size.

    Digits are small and not the same in a mirror: they are cropped by one pixel and not flipped.
    """
    from gradbook.lowrank.protocol import PROTOCOLS

    own = {name: getattr(configuration, name) for name in ("epochs", "batch_size", "learning_rate", "cutout")}
    small = {"crop": 1, "flip": False} if configuration.dataset == "digits" else {}
    return replace(PROTOCOLS["wide_resnet"], **own, **small)


def network(configuration: Configuration, data: Images) -> "Callable[..., keras.Model]":
    """What builds the network from a convolution."""
    from gradbook.lowrank.networks import wide_resnet

    return partial(wide_resnet, configuration.depth, configuration.width, data.classes, shape=data.shape)


def _convolution(
    configuration: Configuration, build: "Callable[..., keras.Model]"
) -> "tuple[Callable, float | None, float]":
    """The student's convolution, its hyperparameter, and what to multiply the weight decay on its weights by."""
    from gradbook.lowrank.budget import Sizes, fit
    from gradbook.lowrank.convs import substitute

    c, options = configuration, {} if configuration.order is None else {"order": configuration.order}
    sizes = Sizes(lambda convolution: build(convolution=convolution))
    if c.budget is None:
        value, convolution = c.value, substitute(c.family, c.value, **options)
    else:
        found = fit(sizes, c.budget, family=c.family, **options)
        value, convolution = found.value, found.convolution
    ratio = sizes(convolution) / sizes(substitute("plain")) if c.shared_decay == "compressed" else 1.0
    return convolution, value, ratio


class Student:
    """A student and what it learns from, compiled once and started anew for every seed."""

    def __init__(self, configuration: Configuration, data: Images):
        from gradbook.lowrank.distill import Distillation, Learner

        c = self.configuration = configuration
        self.data, self.protocol = data, protocol(c)
        convolution, value, ratio = _convolution(c, network(c, data))
        self.build = partial(network(c, data), convolution=convolution)
        self.network = self.build()
        teacher, self.known = _teacher(c, data) if c.beta else (None, {})
        self.known["hyperparameter"] = value or 0.0
        self.learner = Learner(self.network, teacher, Distillation(beta=c.beta), self.protocol.weight_decay, ratio)

    def trained(self, seed: int) -> tuple[dict[str, float], dict[str, list[float]]]:
        """Metrics and curves of a record, from a network that starts as the seed has it."""
        from gradbook.lowrank import count
        from gradbook.lowrank.train import train

        set_seed(seed)
        self.network.set_weights(self.build().get_weights())
        history = train(self.learner, *self.data.train, self.protocol, seed=seed)
        metrics = self.known | {
            "parameters": count.parameters(self.network),
            "mult_adds": count.mult_adds(self.network),
        }
        for part in ("test", "held_out"):
            scores = _evaluate(self.learner, getattr(self.data, part))
            metrics |= {f"{part}_{name}": number for name, number in scores.items()}
        require_finite(metrics["test_loss"], "test_loss", f"epoch {self.configuration.epochs}")
        return metrics, {f"train_{name}": history[name] for name in ("loss", "accuracy")}


def _evaluate(learner: "Learner", examples: tuple[np.ndarray, np.ndarray]) -> dict[str, float]:
    return learner.evaluate(*examples, batch_size=500, verbose=0, return_dict=True)


def _teacher(configuration: Configuration, data: Images) -> "tuple[keras.Model, dict[str, float]]":
    """The dense network of seed 0 by the same protocol, and how good it is; it is trained once and kept.

    More threads round in another order, and another version of the experiment elsewhere: each has a teacher of its own.
    """
    from gradbook.lowrank.distill import Learner
    from gradbook.lowrank.protocol import PROTOCOLS
    from gradbook.lowrank.train import train

    configuration = configuration.model_copy(update={"learning_rate": PROTOCOLS["wide_resnet"].learning_rate})
    student_only = {"family", "value", "budget", "order", "beta", "shared_decay", "seed"}
    threads = os.environ.get("TF_NUM_INTRAOP_THREADS", "all")
    shared = configuration.model_dump_json(exclude=student_only)
    what = f"{data.identity} version {EXPERIMENT.version} {threads} threads {shared}"
    folder = root() / "teachers" / hashlib.sha256(what.encode()).hexdigest()[:16]
    set_seed(0)
    teacher, how = network(configuration, data)(), protocol(configuration)
    learner = Learner(teacher, weight_decay=how.weight_decay)
    with alone_in(folder):
        train(learner, *data.train, how, folder=folder)
    return teacher, {"teacher_accuracy": _evaluate(learner, data.test)["accuracy"]}


EXPERIMENT = Experiment("lowrank", 1, Configuration, run)

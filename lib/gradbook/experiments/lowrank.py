"""Students of every family at equal budgets: a wide residual network with fewer weights, with and without a teacher."""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from gradbook.data import load
from gradbook.data.dataset import Dataset
from gradbook.data.folder import root
from gradbook.data.held_out import Examples, split
from gradbook.files import locked
from gradbook.lowrank.convs.table import FamilyName, lookup
from gradbook.seeds import set_seed
from gradbook.studies import experiment
from gradbook.studies.experiment import Experiment, Record
from gradbook.studies.study import Study, grid, plan

if TYPE_CHECKING:
    import keras

    from gradbook.lowrank.budget import Sizes
    from gradbook.lowrank.protocol import Protocol


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
        shared_decay: "compressed" lowers the weight decay on shared weights to the fraction of parameters kept, "full"
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
    cutout: int = Field(2, ge=0, multiple_of=2)

    @model_validator(mode="after")
    def _consistent(self) -> "Configuration":
        if self.value is not None and self.budget is not None:
            raise ValueError("value and budget both set the student's size; give one of them")
        fixed = lookup(self.family).hyperparameter is None
        if fixed != (self.value is None and self.budget is None):
            wants = "neither value nor budget" if fixed else "a value or a budget"
            raise ValueError(f"family {self.family!r} takes {wants}; received {self.value} and {self.budget}")
        if self.order is not None and self.family != "acdc":
            raise ValueError(f"order is acdc's; family {self.family!r} shuffles no channels in that way")
        return self


def train(cell: Configuration, seeds: Sequence[int]) -> Iterator[Record]:
    """Train one student per seed; the network is compiled once and starts anew for each of them.

    Yields:
        Records. Metrics: ``test_loss``, ``held_out_loss``, ``test_accuracy``, ``held_out_accuracy`` (of the test images
        those that are no lossy copies, of the held-out ones all), the student's ``parameters``, ``mult_adds`` and
        ``hyperparameter``, and where there is a teacher its ``teacher_test_accuracy``. Curves, one entry per epoch:
        ``train_loss`` with all that is in it, ``train_accuracy``, on augmented images.

    Raises:
        InputError: a dataset without images, or a budget that the family cannot meet.
        RunError: a loss became NaN or infinite.
    """
    from gradbook.lowrank import count, training
    from gradbook.lowrank.budget import Sizes
    from gradbook.lowrank.convs import substitute
    from gradbook.lowrank.distill import Distillation, Learner

    dataset = load(cell.dataset).require_images()
    parts, dense = split(dataset, cell.images), network(cell, dataset)
    sizes = Sizes(dense)
    convolution, value = substitution(cell, sizes)
    build = partial(dense, convolution=convolution)
    student, how = build(), protocol(cell)
    known = {"parameters": count.parameters(student), "mult_adds": count.mult_adds(student), "hyperparameter": value}
    teacher = None
    if cell.beta:
        teacher, known["teacher_test_accuracy"] = trained_teacher(cell, dataset, parts)
    ratio = sizes(convolution) / sizes(substitute("plain")) if cell.shared_decay == "compressed" else 1.0
    learner = Learner(student, teacher, Distillation(beta=cell.beta), how.weight_decay, ratio)
    for seed in seeds:
        set_seed(seed)
        student.set_weights(build().get_weights())
        history = training.train(learner, *parts["train"], how, seed=seed)
        scores = {part: learner.score(*parts[part]) for part in ("test", "held_out")}
        metrics = {f"{part}_{name}": value for part, found in scores.items() for name, value in found.items()}
        curves = {f"train_{name}": history[name] for name in ("loss", "accuracy")}
        yield Record(known | metrics, curves, data=dataset.identity)


def protocol(cell: Configuration) -> "Protocol":
    """Return the research log's protocol for wide residual networks, at the cell's size.

    Digits are small and not the same in a mirror: they are cropped by one pixel and not flipped.
    """
    from gradbook.lowrank.protocol import PROTOCOLS

    own = {name: getattr(cell, name) for name in ("epochs", "batch_size", "learning_rate", "cutout")}
    small = {"crop": 1, "flip": False} if cell.dataset == "digits" else {}
    return replace(PROTOCOLS["wide_resnet"], **own, **small)


def network(cell: Configuration, dataset: Dataset) -> "Callable[..., keras.Model]":
    """Return what builds the network, a dense one unless it is given a ``convolution``."""
    from gradbook.lowrank.networks import wide_resnet

    return partial(wide_resnet, cell.depth, cell.width, len(dataset.classes), shape=dataset.x_train.shape[1:])


def substitution(cell: Configuration, sizes: "Sizes") -> tuple[Callable, float]:
    """Return the student's convolution and its hyperparameter, 0 where it has none."""
    from gradbook.lowrank.budget import fit
    from gradbook.lowrank.convs import substitute

    options = {} if cell.order is None else {"order": cell.order}
    if cell.budget is None:
        return substitute(cell.family, cell.value, **options), cell.value or 0.0
    found = fit(sizes, cell.budget, family=cell.family, **options)
    return found.convolution, found.value


def trained_teacher(cell: Configuration, dataset: Dataset, parts: dict[str, Examples]) -> "tuple[keras.Model, float]":
    """Return the dense network of seed 0 by the same protocol, and its accuracy on the test images.

    It is trained once and kept beside the datasets. More threads round in another order, and another version of the
    experiment elsewhere: each has a teacher of its own.
    """
    from gradbook.lowrank import training
    from gradbook.lowrank.distill import Learner
    from gradbook.lowrank.protocol import PROTOCOLS

    cell = cell.model_copy(update={"learning_rate": PROTOCOLS["wide_resnet"].learning_rate})
    shared = cell.model_dump_json(exclude={"family", "value", "budget", "order", "beta", "shared_decay"})
    threads = os.environ.get("TF_NUM_INTRAOP_THREADS", "all")
    what = f"{dataset.identity} version {EXPERIMENT.version} {threads} threads {shared} {training.FORMAT}"
    folder = root() / "teachers" / hashlib.sha256(what.encode()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    set_seed(0)
    teacher, how = network(cell, dataset)(), protocol(cell)
    learner = Learner(teacher, weight_decay=how.weight_decay)
    with locked(folder / ".lock"):
        training.train(learner, *parts["train"], how, folder=folder)
    return teacher, learner.score(*parts["test"])["accuracy"]


EXPERIMENT = Experiment("lowrank", 2, Configuration, train)
run = EXPERIMENT.run

COMPRESSED = ["low_rank", "shuffle", "separable_hashed", "tensor_train", "tucker", "acdc", "hashed", "cp", "bottleneck"]
cifar = partial(
    grid, Configuration, dataset=["cifar10"], depth=[16], width=[2], images=[10_000], epochs=[10], batch_size=[128]
)
augmented = partial(cifar, cutout=[16])
taught = partial(augmented, budget=[36_000], beta=[1000])

STUDY = Study(
    "lowrank",
    EXPERIMENT,
    plan(
        (augmented(family=["plain"]), 1),
        (augmented(family=["separable"], beta=[0, 1000]), 2),
        (augmented(family=COMPRESSED, budget=[36_000, 56_000], beta=[1000, 0]), 2),
        (taught(family=["low_rank", "acdc"], shared_decay=["full", "compressed"]), 10),
        (cifar(cutout=[0, 16], budget=[36_000], family=["separable_hashed"], beta=[0, 1000]), 10),
        (augmented(family=["hashed"], budget=[36_000], beta=[0, 1000]), 10),
        (taught(family=["acdc"], order=["none"]), 2),
        (taught(family=["acdc"], order=["random"]), 10),
        (taught(family=["hashed"], learning_rate=[0.01]), 2),
    ),
)
"""Students on CIFAR-10: families at two budgets, with and without a teacher; then decay, cutout, shuffle and rate."""

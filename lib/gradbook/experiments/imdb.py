"""Weight decay as an auxiliary task, on movie reviews: does censoring it help a network that overfits?"""

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from gradbook.auxiliary import RuleName, Scope
from gradbook.data import load
from gradbook.data.dataset import Reviews
from gradbook.errors import InputError
from gradbook.seeds import generator, set_seed
from gradbook.studies import experiment
from gradbook.studies.experiment import Experiment, Record
from gradbook.studies.study import Study, plan
from gradbook.training import glorot, require_finite

if TYPE_CHECKING:
    import tensorflow as tf
    from scipy.sparse import csr_matrix

    from gradbook.auxiliary.bag_of_words import Bag


LastBatch = Literal["keep", "drop", "merge"]


class Configuration(experiment.Configuration):
    """One way to train the classifier of reviews.

    Attributes:
        dataset: what `gradbook.data.load` takes; two classes of reviews.
        words: size of the vocabulary, its four reserved numbers included; fewer where the training set has fewer.
        hidden_units: of each of the two hidden layers.
        rule, scope: as in `gradbook.auxiliary.censor`.
        weight: λ, the weight of the decay.
        alpha: α, how fast the average of the main gradient that the rule looks at follows it; 1 is the gradient itself.
        learning_rate: η of Adam.
        batch_size: reviews a step.
        last_batch: what becomes of the reviews that fill no batch at the end of an epoch, 32 of IMDB's 20,000: "keep"
            makes a small batch of them, as the published code does, "drop" leaves them out, "merge" adds them to the
            batch before.
        shuffle_buffer: each review is drawn from the next so many of the training set, as by ``tf.data``'s ``shuffle``;
            as many as there are, or more, shuffle the whole.
        patience: training ends after so many epochs without a better validation loss.
    """

    dataset: str = "reviews-toy"
    words: int = Field(10_000, ge=4)
    hidden_units: int = Field(512, ge=1)
    rule: RuleName = "projection"
    scope: Scope = "variable"
    weight: float = Field(100.0, ge=0)
    alpha: float = Field(0.01, gt=0, le=1)
    learning_rate: float = Field(1e-3, gt=0)
    batch_size: int = Field(512, ge=1)
    last_batch: LastBatch = "keep"
    shuffle_buffer: int = Field(1000, ge=1)
    patience: int = Field(5, ge=1)


@dataclass(frozen=True)
class Examples:
    """Multi-hot rows [n, words] and labels float32 [n], 0 or 1."""

    rows: "csr_matrix"
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def batches(
        self, order: np.ndarray, size: int, last_batch: LastBatch = "keep"
    ) -> "Iterator[tuple[Bag, tf.Tensor]]":
        """Yield the examples in that order, `size` at a time; the last batch as in `Configuration`."""
        import tensorflow as tf

        from gradbook.auxiliary.bag_of_words import bag

        for start, end in itertools.pairwise(edges(len(order), size, last_batch)):
            chosen = order[start:end]
            yield bag(self.rows[chosen]), tf.constant(self.labels[chosen])


@cache
def examples(dataset: str, words: int) -> tuple[Examples, Examples, Examples, str]:
    """Return the training, validation and test set, and the identity of the dataset they come from.

    A fifth of the published training set validates, as scikit-learn's ``train_test_split(random_state=0)`` takes it.

    Raises:
        InputError: the dataset does not hold reviews of two classes.
    """
    from sklearn.model_selection import train_test_split

    data = load(dataset)
    if not isinstance(data.x_train, Reviews) or len(data.classes) != 2:
        raise InputError(f"dataset {dataset!r} does not hold reviews of two classes; 'imdb' and 'reviews-toy' do.")
    words = min(words, int(data.x_train.tokens.max()) + 1)
    train, test = (
        Examples(x.multi_hot(words), y.astype(np.float32))
        for x, y in ((data.x_train, data.y_train), (data.x_test, data.y_test))
    )
    parts = train_test_split(np.arange(len(train)), test_size=0.2, random_state=0)
    fit, validation = (Examples(train.rows[part], train.labels[part]) for part in parts)
    return fit, validation, test, data.identity


def shuffled(count: int, buffer: int, random: np.random.Generator) -> np.ndarray:
    """Draw an order of `count` examples, each at random from a buffer that the next example then refills.

    >>> shuffled(5, 1, np.random.default_rng(0)).tolist()
    [0, 1, 2, 3, 4]
    """
    order, places = list(range(count)), np.arange(count)
    for place, drawn in enumerate(random.integers(places, np.minimum(places + buffer, count))):
        order[place], order[drawn] = order[drawn], order[place]
    return np.array(order)


def edges(count: int, size: int, last_batch: LastBatch) -> list[int]:
    """Return where batches of so many examples begin, and where the last of them ends.

    >>> [edges(7, 3, last_batch) for last_batch in ("keep", "drop", "merge")]
    [[0, 3, 6, 7], [0, 3, 6], [0, 3, 7]]
    """
    full = list(range(0, count + 1, size))
    if full[-1] == count or last_batch == "drop":
        return full
    return [*full[: -1 if last_batch == "merge" and len(full) > 1 else None], count]


class Classifier:
    """words → hidden → hidden → one logit, with ReLU in between; on IMDB 10,000-512-512-1, 5,383,681 parameters.

    Attributes:
        variables: kernel and bias of each layer, as a sequence of the parts it is held in; only the first kernel has
            two (see `gradbook.auxiliary.bag_of_words`).
    """

    def __init__(self, words: int, hidden_units: int) -> None:
        import tensorflow as tf

        from gradbook.auxiliary.bag_of_words import FREQUENT

        self._sizes = (words, hidden_units, hidden_units, 1)
        self._frequent = min(words, FREQUENT)
        self.variables = [[tf.Variable(part) for part in parts] for parts in self.initial(0)]

    def initial(self, seed: int) -> list[list[np.ndarray]]:
        """Draw a seed's initial weights as `glorot` does."""
        first, *others = glorot(itertools.pairwise(self._sizes), generator(seed, "weights"))
        return [np.split(first, [self._frequent]), *([part] for part in others)]

    def weights(self) -> "list[list[tf.Tensor]]":
        """Return a copy of the weights."""
        import tensorflow as tf

        return tf.nest.map_structure(tf.identity, self.variables)

    def assign(self, weights: Sequence[Sequence]) -> None:
        """Copy weights of the same structure."""
        for parts, values in zip(self.variables, weights, strict=True):
            for part, value in zip(parts, values, strict=True):
                part.assign(value)

    def logits(self, bag: "Bag") -> "tf.Tensor":
        """Return the logits float32 [n] of a bag's rows; a positive one stands for class 1."""
        import tensorflow as tf

        from gradbook.auxiliary.bag_of_words import product

        kernel, (bias_1,), (kernel_2,), (bias_2,), (kernel_3,), (bias_3,) = self.variables
        hidden = tf.nn.relu(product(bag, *map(tf.convert_to_tensor, kernel)) + bias_1)
        hidden = tf.nn.relu(hidden @ kernel_2 + bias_2)
        return tf.squeeze(hidden @ kernel_3 + bias_3, -1)

    def loss(self, bag: "Bag", labels: "tf.Tensor") -> "tf.Tensor":
        """Return the cross-entropy in nats, summed over the examples."""
        import tensorflow as tf

        return tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(labels, self.logits(bag)))


class Training:
    """A classifier and the compiled step that trains it; seeds follow one another through the same compiled code."""

    def __init__(self, cell: Configuration, words: int) -> None:
        import tensorflow as tf

        from gradbook.auxiliary.bag_of_words import SIGNATURE
        from gradbook.auxiliary.decay import CensoredDecay

        self.classifier = classifier = Classifier(words, cell.hidden_units)
        choices = cell.model_dump(include={"rule", "scope", "weight", "alpha", "learning_rate"})
        self.decay = decay = CensoredDecay(classifier.variables, **choices)
        signature = [SIGNATURE, tf.TensorSpec([None], tf.float32)]

        @tf.function(input_signature=signature)
        def step(bag: "Bag", labels: "tf.Tensor") -> "tuple[tf.Tensor, tf.Tensor]":
            with tf.GradientTape() as tape:
                total = classifier.loss(bag, labels)
                mean = total / tf.cast(tf.size(labels), tf.float32)
            return total, decay.step(tape.gradient(mean, classifier.variables))

        self.step = step
        self.loss = tf.function(classifier.loss, input_signature=signature)

    def start(self, seed: int) -> None:
        """Start anew, from the seed's initial weights."""
        self.classifier.assign(self.classifier.initial(seed))
        self.decay.reset()

    def epoch(
        self, examples: Examples, order: np.ndarray, batch_size: int, last_batch: LastBatch = "keep"
    ) -> tuple[float, np.ndarray]:
        """Train for one pass; return the mean loss before each step, and the cosines [steps, variables] seen."""
        steps = [self.step(*batch) for batch in examples.batches(order, batch_size, last_batch)]
        losses, cosines = zip(*steps, strict=True)
        return float(np.sum(losses)) / edges(len(order), batch_size, last_batch)[-1], np.array(cosines)

    def norms(self) -> list[float]:
        """Return the Euclidean norms of the three kernels."""
        return [float(np.linalg.norm(np.concatenate(parts))) for parts in self.classifier.variables[::2]]

    def evaluate(self, examples: Examples) -> float:
        """Return the mean cross-entropy in nats over all examples."""
        batches = examples.batches(np.arange(len(examples)), 1000)
        return float(np.sum([self.loss(*batch) for batch in batches])) / len(examples)


def train(cell: Configuration, seeds: Sequence[int]) -> Iterator[Record]:
    """Train one classifier for each seed until early stopping, and test it at its best validation loss.

    Initial weights and the order of the reviews depend on the seed alone, so that rules compare in pairs.

    Metrics are ``test_loss``, ``validation_loss`` and ``train_loss`` at the best epoch, the last as measured while the
    epoch went on; ``best_epoch`` and ``epochs_trained``. Curves, one number for each epoch, are ``validation_loss`` and
    ``train_loss``; ``norm_1`` to ``norm_3``, of the kernel of that layer after the epoch; and for rules that compare
    the gradients ``cosine_1`` to ``cosine_3``, the mean cosine of u and v there, and ``conflict_fraction_1`` to
    ``conflict_fraction_3``.

    Raises:
        InputError: the dataset does not hold reviews of two classes, or so few that every batch would be dropped.
        RunError: the loss became NaN or infinite.
    """
    fit, validation, test, identity = examples(cell.dataset, cell.words)
    if cell.last_batch == "drop" and cell.batch_size > len(fit):
        raise InputError(
            f"batch_size must be at most {len(fit)}, the training reviews, where the last batch is dropped; "
            f"received {cell.batch_size}."
        )
    training = Training(cell, fit.rows.shape[1])
    for seed in seeds:
        set_seed(seed)
        training.start(seed)
        shuffles, curves, best = generator(seed, "batches"), defaultdict(list), 0
        while (epochs := len(curves["validation_loss"])) - best < cell.patience:
            order = shuffled(len(fit), cell.shuffle_buffer, shuffles)
            train_loss, cosines = training.epoch(fit, order, cell.batch_size, cell.last_batch)
            validation_loss = require_finite(training.evaluate(validation), "validation_loss", f"epoch {epochs + 1}")
            if validation_loss < min(curves["validation_loss"], default=np.inf):
                best, weights = epochs + 1, training.classifier.weights()
            curves["train_loss"].append(train_loss)
            curves["validation_loss"].append(validation_loss)
            measured = {"norm": training.norms()}
            if training.decay.rule.compares:
                kernels = cosines[:, ::2]
                measured |= {"conflict_fraction": np.mean(kernels < 0, axis=0), "cosine": np.mean(kernels, axis=0)}
            for name, values in measured.items():
                for layer, value in enumerate(values, start=1):
                    curves[f"{name}_{layer}"].append(value)
        training.classifier.assign(weights)
        metrics = {name: curves[name][best - 1] for name in ("train_loss", "validation_loss")}
        metrics |= {"test_loss": training.evaluate(test), "best_epoch": best, "epochs_trained": epochs}
        yield Record(metrics, dict(curves), data=identity)


EXPERIMENT = Experiment("imdb", version=1, configuration=Configuration, train=train, stack=5)
run = EXPERIMENT.run

COMPARED = [
    ("single_task", 0, 1),
    ("multitask", 30, 1),
    ("projection", 100, 0.01),
    ("orthogonal", 100, 0.01),
    ("weighted_cosine", 100, 1),
    ("unweighted_cosine", 10, 1),
]
"""Rule, λ and α of the six cells that are compared."""

HEAVY = [("multitask", 300, 1), ("projection", 300, 0.01), ("projection", 300, 1), ("orthogonal", 100, 1)]
"""Cells where a heavy weight or a single batch's gradient does harm."""

WEIGHTS, ALPHAS = (1, 3, 10, 30, 100, 300), (0.01, 1)
GRID = [
    *(("multitask", weight, 1) for weight in WEIGHTS),
    *itertools.product(("projection", "orthogonal", "weighted_cosine", "unweighted_cosine"), WEIGHTS, ALPHAS),
]
"""The published cells but single task."""


def cells(chosen: Iterable[tuple[str, float, float]], **fields: int | str) -> list[Configuration]:
    """Return the study's cells with these rules, weights and alphas, and other fields alike."""
    return [
        Configuration(dataset="imdb", rule=rule, weight=weight, alpha=alpha, **fields) for rule, weight, alpha in chosen
    ]


STUDY = Study(
    "imdb",
    EXPERIMENT,
    plan(
        (cells(COMPARED + HEAVY), 50),
        (cells(COMPARED[:3], shuffle_buffer=20_000), 5),
        (cells(COMPARED, last_batch="drop"), 10),
        (cells(COMPARED, last_batch="merge"), 10),
        (cells(COMPARED[2:], scope="global"), 10),
        (cells(cell for cell in GRID if cell not in COMPARED + HEAVY), 10),
    ),
)

"""Classifiers whose matrices are structured: every family at equal parameters, its learning rates, and its decay.

Three layers of equal width and a dense classifier. The layers are convolutions of 1×1 on images of one pixel, which are
products with a matrix, so that nothing differs between families but how they write it.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pydantic import Field, model_validator

from gradbook.data import load
from gradbook.data.held_out import split
from gradbook.lowrank.convs.table import FamilyName, lookup, substitute
from gradbook.optimizers import Adam
from gradbook.seeds import generator, set_seed
from gradbook.studies.experiment import Configuration as Base
from gradbook.studies.experiment import Experiment, Record
from gradbook.studies.study import Study, grid, plan
from gradbook.training import require_finite

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

LAYERS = 3


class Configuration(Base):
    """One classifier.

    Attributes:
        dataset: what `gradbook.data.load` takes; images.
        width: of the three layers.
        family: of their matrices, a name of `gradbook.lowrank.convs.table.FAMILIES`.
        budget: parameters that the whole network is brought to; None for families without a hyperparameter.
        start: "own" draws the family's weights, "spectral" takes the factors of a random dense matrix (low rank only).
        decay: what λ acts on: "weights" on the squares of a layer's weights, "compressed" too, at the fraction of the
            dense network's parameters that is kept, "frobenius" on the square of the matrix that they make.
        weight_decay: λ of ½λ‖·‖² in the loss.
        scaled: whether the learning rate of each factor is multiplied as `Convolution.learning_rates` says.
        learning_rate: η of Adam.
        images: training images used at most.
        epochs: of the training.
        batch_size: images a step, all of them where there are fewer; the last of an epoch that fill no batch are left
            out.
    """

    dataset: str = "mnist"
    width: int = Field(256, ge=4)
    family: FamilyName = "plain"
    budget: int | None = Field(None, ge=1)
    start: Literal["own", "spectral"] = "own"
    decay: Literal["weights", "compressed", "frobenius"] = "weights"
    weight_decay: float = Field(0.0, ge=0)
    scaled: bool = False
    learning_rate: float = Field(3e-3, gt=0)
    images: int = Field(10_000, ge=10)
    epochs: int = Field(3, ge=1)
    batch_size: int = Field(100, ge=1)

    @model_validator(mode="after")
    def _consistent(self) -> "Configuration":
        if (lookup(self.family).hyperparameter is None) != (self.budget is None):
            wants = "takes no budget" if self.budget else "takes a budget"
            raise ValueError(f"family {self.family!r} {wants}; received {self.budget}")
        if self.start == "spectral" and self.family != "low_rank":
            raise ValueError(f"start 'spectral' is low_rank's; received family {self.family!r}")
        return self


class Program(NamedTuple):
    """What is compiled once for all seeds, starts and learning rates of a network, and what is known of it."""

    build: Callable[[], "keras.Model"]
    epoch: "tf.types.experimental.PolymorphicFunction"
    score: "tf.types.experimental.PolymorphicFunction"
    kept: float
    known: dict[str, float]


def network(pixels: int, width: int, classes: int, convolution: Callable) -> "keras.Model":
    """Return the classifier, from images [1, 1, pixels] to logits."""
    import keras

    x = images = keras.Input((1, 1, pixels))
    for _ in range(LAYERS):
        x = convolution(width, 1, activation="relu", use_bias=True)(x)
    return keras.Model(images, keras.layers.Dense(classes)(keras.layers.Flatten()(x)))


def within(
    budget: int | None, family: str, shape: tuple[int, int, int]
) -> tuple[Callable[[], "keras.Model"], float, float]:
    """Return what builds a network within a budget, the part of the dense network's parameters, and the hyperparameter.

    Args:
        budget: of the whole network's parameters; None for families without a hyperparameter, which then counts as 0.
        family: of its convolutions.
        shape: pixels, width and classes.

    Raises:
        InputError: a budget that the family cannot meet.
    """
    from gradbook.lowrank import Sizes, fit

    sizes = Sizes(partial(network, *shape))
    dense = sizes(substitute("plain"))
    if budget is None:
        make, value = substitute(family), 0.0
    else:
        found = fit(sizes, budget, family=family)
        make, value = found.convolution, found.value
    return partial(network, *shape, make), sizes(make) / dense, value


def scope(model: "keras.Model", weights: list, frozen: list) -> "keras.StatelessScope":
    """Return a scope in which a model has these weights: those that learn, and those that do not."""
    import keras

    variables = [*model.trainable_variables, *model.non_trainable_variables]
    return keras.StatelessScope(state_mapping=list(zip(variables, [*weights, *frozen], strict=True)))


def error(model: "keras.Model", x: "tf.Tensor", y: "tf.Tensor") -> tuple["tf.Tensor", "tf.Tensor"]:
    """Return the mean cross-entropy, and the logits."""
    import tensorflow as tf

    logits = model(x)
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits)), logits


def penalty(layers: list, frobenius: bool) -> Any:
    """Return what decay shrinks, the squares of the layers' weights added up.

    Args:
        layers: convolutions.
        frobenius: whether the matrices that the weights make count in their place.
    """
    from keras import ops

    if frobenius:
        return sum(layer.squared_norm() for layer in layers)
    weights = [weight for layer in layers for weight in layer.factor.values() if weight.trainable]
    return sum(ops.sum(ops.square(weight)) for weight in weights)


@cache
def program(family: str, budget: int | None, shape: tuple[int, int, int], scaled: bool, frobenius: bool) -> Program:
    """Return the compiled parts of a network.

    Args:
        family, budget, shape: as for `within`.
        scaled: whether factors have learning rates of their own.
        frobenius: as for `penalty`.

    Raises:
        InputError: a budget that the family cannot meet.
    """
    import tensorflow as tf

    from gradbook.lowrank import count

    build, kept, value = within(budget, family, shape)
    model = build()
    layers, adam = model.layers[1 : 1 + LAYERS], Adam()
    rates = {id(one.factor[name]): rate for one in layers for name, rate in one.learning_rates().items()}
    factors = [rates.get(id(weight), 1.0) if scaled else 1.0 for weight in model.trainable_variables]

    @tf.function(jit_compile=True, autograph=False)
    def epoch(state: tuple, frozen: list, data: tuple, batches: "tf.Tensor", rate: Any, decay: Any) -> tuple:
        """Return the state after the steps on batches int32 [steps, batch], and the mean loss before each."""

        def step(i: "tf.Tensor", state: tuple, total: "tf.Tensor") -> tuple:
            weights, optimizer_state = state
            x, y = (tf.gather(part, batches[i]) for part in data)
            with tf.GradientTape() as tape:
                tape.watch(weights)
                with scope(model, weights, frozen):
                    loss = error(model, x, y)[0]
                    objective = loss + 0.5 * decay * penalty(layers, frobenius)
            gradients = tape.gradient(objective, weights)
            moved, optimizer_state = adam.update(weights, gradients, optimizer_state, rate)
            weights = [w + factor * (new - w) for w, new, factor in zip(weights, moved, factors, strict=True)]
            return i + 1, (weights, optimizer_state), total + loss

        start = (tf.constant(0), state, tf.zeros([]))
        _, state, total = tf.while_loop(lambda i, *_: i < batches.shape[0], step, start)
        return state, total / batches.shape[0]

    @tf.function(jit_compile=True, autograph=False)
    def score(weights: list, frozen: list, x: "tf.Tensor", y: "tf.Tensor") -> dict[str, "tf.Tensor"]:
        with scope(model, weights, frozen):
            loss, logits = error(model, x, y)
        right = tf.argmax(logits, 1, tf.int32) == y
        return {"loss": loss, "accuracy": tf.reduce_mean(tf.cast(right, tf.float32))}

    known = {"parameters": count.parameters(model), "mult_adds": count.mult_adds(model), "hyperparameter": value}
    return Program(build, epoch, score, kept, known)


def train(cell: Configuration, seeds: Sequence[int]) -> Iterator[Record]:
    """Train one classifier for each seed.

    Yields:
        Records. Metrics: ``test_loss``, ``test_accuracy``, ``held_out_loss``, ``held_out_accuracy`` (a tenth of the
        training images), ``parameters``, ``mult_adds`` and ``hyperparameter``. Curves, one entry per epoch:
        ``train_loss``, the cross-entropy while the epoch went on, and ``held_out_accuracy``.

    Raises:
        InputError: a dataset without images, or a budget that the family cannot meet.
        RunError: a loss became NaN or infinite.
    """
    import tensorflow as tf

    from gradbook.lowrank import decompose

    dataset = load(cell.dataset).require_images()
    parts = {
        name: (tf.constant(x.reshape(len(x), 1, 1, -1), tf.float32), tf.constant(y, tf.int32))
        for name, (x, y) in split(dataset, cell.images).items()
    }
    shape = (parts["train"][0].shape[-1], cell.width, len(dataset.classes))
    frobenius = cell.decay == "frobenius"
    build, epoch, score, kept, known = program(cell.family, cell.budget, shape, cell.scaled, frobenius)
    strength = cell.weight_decay * (kept if cell.decay == "compressed" else 1.0)
    rate, decay = (tf.constant(one, tf.float32) for one in (cell.learning_rate, strength))
    images = len(parts["train"][1])
    batch = min(cell.batch_size, images)
    for seed in seeds:
        set_seed(seed)
        model = build()
        if cell.start == "spectral":
            for layer in model.layers[1 : 1 + LAYERS]:
                decompose.spectral_start(layer)
        frozen = [tf.convert_to_tensor(weight) for weight in model.non_trainable_variables]
        weights = [tf.convert_to_tensor(weight) for weight in model.trainable_variables]
        state, order = (weights, Adam().init(weights)), generator(seed, "order")
        curves: dict[str, list[float]] = {"train_loss": [], "held_out_accuracy": []}
        for number in range(cell.epochs):
            batches = order.permutation(images)[: images // batch * batch].reshape(-1, batch)
            state, loss = epoch(state, frozen, parts["train"], tf.constant(batches, tf.int32), rate, decay)
            curves["train_loss"].append(require_finite(float(loss), "train_loss", f"epoch {number + 1}"))
            curves["held_out_accuracy"].append(float(score(state[0], frozen, *parts["held_out"])["accuracy"]))
        metrics = {
            f"{part}_{name}": float(one)
            for part in ("test", "held_out")
            for name, one in score(state[0], frozen, *parts[part]).items()
        }
        yield Record(known | metrics, curves, data=dataset.identity)


EXPERIMENT = Experiment("structured", version=1, configuration=Configuration, train=train, stack=5)
run = EXPERIMENT.run

BUDGET = 40_000
RATES = [1e-3, 3e-3]
COMPARED = ["low_rank", "monarch", "block_tensor_train", "hashed", "tensor_train", "butterfly", "lora", "dora"]
same = partial(grid, Configuration, budget=[BUDGET])
decayed = partial(same, family=["low_rank"], start=["own", "spectral"])

STUDY = Study(
    "structured",
    EXPERIMENT,
    plan(
        (grid(Configuration, width=[256, 45], learning_rate=RATES), 5),
        (same(family=COMPARED, learning_rate=RATES), 5),
        (same(family=["low_rank", "block_tensor_train"], scaled=[True], learning_rate=[3e-4, 1e-3]), 5),
        (decayed(), 5),
        (decayed(decay=["weights", "compressed", "frobenius"], weight_decay=[1e-3, 1e-2]), 5),
    ),
)
"""Classifiers of MNIST: families at equal parameters and two learning rates, scaled rates, starts and decays."""

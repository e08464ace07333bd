"""One classifier of images, its hidden layers taught in nine ways: by backpropagation, and by what takes its place."""

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import numpy as np
from pydantic import Field

from gradbook import data
from gradbook.optimizers import Adam
from gradbook.seeds import generator
from gradbook.studies.experiment import Configuration as Base
from gradbook.studies.experiment import Experiment, Record
from gradbook.studies.study import Study, grid, plan
from gradbook.training import glorot, order, require_finite

if TYPE_CHECKING:
    import tensorflow as tf

    from gradbook.synthetic.without_backward import Layer

Method = Literal[
    "backpropagation",
    "last layer",
    "feedback alignment",
    "direct feedback",
    "synthetic gradients",
    "prediction loss",
    "similarity loss",
    "target propagation",
    "forward-forward",
]
METHODS: tuple[Method, ...] = get_args(Method)

LOGS = 5
DROPS = (0.6, 0.8)
TARGET_STEP, TARGET_NOISE = 0.33, 0.36
SIMILARITY = 0.99


class Configuration(Base):
    """One way to teach the hidden layers of a dense network; the readout always learns from its own error.

    Layers have tanh; those of forward-forward have ReLU, as in its paper, and see the label beside the image.

    Attributes:
        dataset: "mnist", "digits", or whatever `gradbook.data.load` takes for images.
        method: what hidden layers learn from. "last layer": they do not learn. "feedback alignment" and "direct
            feedback": errors through fixed random matrices. "synthetic gradients": linear predictors that see labels.
            "prediction loss": a readout of each layer's own. "similarity loss": 0.99 times similarity matching and 0.01
            times that. "target propagation": targets by learnt inverses, with a step of 0.33 and noise of 0.36.
            "forward-forward": goodness of right and wrong labels, with the width for the threshold.
        initial: of the network's kernels; feedback matrices are always drawn as Glorot and Bengio (2010) draw kernels.
        depth: hidden layers.
        width: units of each.
        learning_rate: η of Adam, whose ε is 1e-7; falls to a tenth after 60 % of the steps, and again after 80 %.
        batch_size: images in a step; all of them where there are fewer.
        steps: in the whole run.
    """

    dataset: str = "mnist"
    method: Method = "backpropagation"
    initial: Literal["glorot_uniform", "zeros"] = "glorot_uniform"
    depth: int = Field(3, ge=1, le=30)
    width: int = Field(256, ge=2)
    learning_rate: float = Field(1e-3, gt=0)
    batch_size: int = Field(100, ge=2)
    steps: int = Field(1600, ge=1)

    @property
    def activation(self) -> str:
        """Name of the hidden layers' activation."""
        return "relu" if self.method == "forward-forward" else "tanh"


class Learner(NamedTuple):
    """What training changes: the network, and what a method learns besides, layer by layer."""

    network: "list[Layer]"
    own: "list[Layer]"


class Batch(NamedTuple):
    """A batch, and what the network makes of it.

    Attributes:
        y: labels, one-hot [n, classes].
        noise: seed of what is drawn in the step, int32 [2].
        hidden, slopes: h₁ … h_L, and φ′ there.
        error: of the readout, ŷ - y.
        true: the messages of backpropagation.
    """

    y: "tf.Tensor"
    noise: "tf.Tensor"
    hidden: "list[tf.Tensor]"
    slopes: "list[tf.Tensor]"
    error: "tf.Tensor"
    true: "list[tf.Tensor]"


Taught = tuple[list, "list[Layer]"]
"""The messages of a method, and the gradients of what it learns besides."""


def initial(cell: Configuration, inputs: int, classes: int, seed: int) -> tuple[Learner, list[np.ndarray]]:
    """Return a seed's initial weights, and the fixed feedback matrices of the methods that have some."""
    from gradbook.synthetic.without_backward import Layer

    def layer(purpose: str, *shape: int, zeros: bool = False) -> Layer:
        kernel, bias = glorot([shape], generator(seed, purpose))
        return Layer(np.zeros_like(kernel) if zeros else kernel, bias)

    labels, width, depth = classes if cell.method == "forward-forward" else 0, cell.width, cell.depth
    sizes = list(pairwise([inputs + labels, *[width] * depth, classes]))
    network = [layer(f"layer {k}", *size, zeros=cell.initial == "zeros") for k, size in enumerate(sizes)]
    each = range(depth)
    own = {
        "synthetic gradients": [layer("", width + classes, width, zeros=True) for _ in each],
        "prediction loss": [layer(f"readout {k}", width, classes) for k in each],
        "similarity loss": [layer(f"readout {k}", width, classes) for k in each],
        "target propagation": [layer(f"inverse {k}", width, width) for k in each[1:]],
    }
    feedback = {
        "feedback alignment": [layer(f"feedback {k}", *reversed(size)).kernel for k, size in enumerate(sizes)][1:],
        "direct feedback": [layer(f"feedback {k}", classes, width).kernel for k in each],
    }
    return Learner(network, own.get(cell.method, [])), feedback.get(cell.method, [])


def backpropagation(learner: Learner, feedback: list, batch: Batch) -> Taught:
    """Send the true gradients."""
    return batch.true, []


def last_layer(learner: Learner, feedback: list, batch: Batch) -> Taught:
    """Send nothing."""
    return [0 * message for message in batch.true], []


def aligned(learner: Learner, feedback: list, batch: Batch) -> Taught:
    """Send the error down through the feedback matrices, layer by layer."""
    from gradbook.synthetic.without_backward import feedback_alignment

    return feedback_alignment(feedback, batch.slopes, batch.error), []


def direct(learner: Learner, feedback: list, batch: Batch) -> Taught:
    """Send the error to every layer at once."""
    from gradbook.synthetic.without_backward import direct_feedback_alignment

    return direct_feedback_alignment(feedback, batch.error), []


def predicted(learner: Learner, feedback: list, batch: Batch) -> Taught:
    """Send predictions, which learn what the layer above sends down in answer to its own prediction."""
    import tensorflow as tf

    from gradbook.synthetic.without_backward import gradients

    seen = [tf.concat([h, batch.y], axis=1) for h in batch.hidden]
    messages = [s @ layer.kernel + layer.bias for s, layer in zip(seen, learner.own, strict=True)]
    above = [*(m * s for m, s in zip(messages[1:], batch.slopes[1:], strict=True)), batch.error]
    kernels = [layer.kernel for layer in learner.network[1:]]
    targets = [delta @ tf.transpose(kernel) for delta, kernel in zip(above, kernels, strict=True)]
    return messages, gradients(seen, [m - t for m, t in zip(messages, targets, strict=True)])


def local(learner: Learner, feedback: list, batch: Batch, similarity: float = 0.0) -> Taught:
    """Send the gradients of each layer's own loss: cross-entropy, and similarity matching with the given weight."""
    from gradbook.synthetic.without_backward import gradients, prediction_message, similarity_message

    found = [prediction_message(h, own, batch.y) for h, own in zip(batch.hidden, learner.own, strict=True)]
    messages = [message for message, _ in found]
    if similarity:
        pairs = zip(batch.hidden, messages, strict=True)
        messages = [similarity * similarity_message(h, batch.y) + (1 - similarity) * m for h, m in pairs]
    return messages, gradients(batch.hidden, [error for _, error in found])


def matched(learner: Learner, feedback: list, batch: Batch) -> Taught:
    """Send mostly the gradients of similarity matching."""
    return local(learner, feedback, batch, SIMILARITY)


def targeted(learner: Learner, feedback: list, batch: Batch) -> Taught:
    """Send the differences between outputs and targets; inverses learn to undo layers on noisy inputs."""
    import tensorflow as tf

    from gradbook.synthetic.without_backward import difference_targets, gradients

    inverses = [lambda h, layer=layer: tf.tanh(h @ layer.kernel + layer.bias) for layer in learner.own]
    targets = difference_targets(batch.hidden, inverses, batch.true[-1], TARGET_STEP)
    messages = [(h - t) / TARGET_STEP for h, t in zip(batch.hidden, targets, strict=True)]
    above, received = [], []
    for k, (h, layer, inverse) in enumerate(zip(batch.hidden, learner.network[1:], inverses, strict=False)):
        noisy = h + TARGET_NOISE * tf.random.stateless_normal(h.shape, tf.add(batch.noise, [0, k]))
        above.append(tf.tanh(noisy @ layer.kernel + layer.bias))
        undone = inverse(above[-1])
        received.append((undone - noisy) * (1 - undone**2))
    return messages, gradients(above, received)


TEACH: dict[str, Callable[[Learner, list, Batch], Taught]] = {
    "backpropagation": backpropagation,
    "last layer": last_layer,
    "feedback alignment": aligned,
    "direct feedback": direct,
    "synthetic gradients": predicted,
    "prediction loss": local,
    "similarity loss": matched,
    "target propagation": targeted,
}
"""What each method but forward-forward sends."""


def step(cell: Configuration, learner: Learner, feedback: list, x: Any, y: Any, wrong: Any, noise: Any) -> tuple:
    """Return the gradients of all that learns, the loss, and the cosine of each layer's message with the true one."""
    import tensorflow as tf

    from gradbook.synthetic.without_backward import ACTIVATIONS, alignment, apply, feedback_alignment, gradients

    if cell.method == "forward-forward":
        return forward_forward(learner, x, y, wrong)
    *hidden, logits = apply(learner.network, x, cell.activation)
    slopes = [ACTIVATIONS[cell.activation].slope(h) for h in hidden]
    error = tf.nn.softmax(logits) - y
    true = feedback_alignment([tf.transpose(layer.kernel) for layer in learner.network[1:]], slopes, error)
    batch = Batch(y, noise, hidden, slopes, error, true)
    messages, own = TEACH[cell.method](learner, feedback, batch)
    received = [*(m * s for m, s in zip(messages, slopes, strict=True)), error]
    loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(y, logits))
    cosines = [alignment(m, t) for m, t in zip(messages, true, strict=True)]
    return Learner(gradients([x, *hidden], received), own), loss, cosines


def forward_forward(learner: Learner, x: Any, y: Any, wrong: Any) -> tuple:
    """Return the same for forward-forward, whose loss is that of its layers, and which has no cosines."""
    import tensorflow as tf

    from gradbook.synthetic.without_backward import Layer, goodness, goodness_message, gradients, normalize

    *hidden, readout = learner.network
    positive = tf.repeat([1.0, 0.0], x.shape[0])
    features, below, received, losses = tf.concat([tf.concat([x, y], 1), tf.concat([x, wrong], 1)], axis=0), [], [], []
    for layer in hidden:
        below.append(normalize(features))
        features = tf.nn.relu(below[-1] @ layer.kernel + layer.bias)
        threshold = float(features.shape[1])
        received.append(goodness_message(features, positive, threshold) * tf.cast(features > 0, tf.float32))
        losses.append(tf.nn.sigmoid_cross_entropy_with_logits(positive, goodness(features) - threshold))
    still = Layer(tf.zeros_like(readout.kernel), tf.zeros_like(readout.bias))
    return Learner([*gradients(below, received), still], []), tf.reduce_mean(losses), []


def scores(cell: Configuration, network: "list[Layer]", x: Any, classes: int) -> Any:
    """Return what is highest for the class that the network chooses, [n, classes].

    For forward-forward this is the goodness of all layers but the first, added up, with each label in turn.
    """
    import tensorflow as tf

    from gradbook.synthetic.without_backward import apply, goodness, normalize

    if cell.method != "forward-forward":
        return apply(network, x, cell.activation)[-1]
    found = []
    for label in range(classes):
        y = tf.one_hot(tf.fill([x.shape[0]], label), classes)
        features, sums = tf.concat([x, y], axis=1), []
        for layer in network[:-1]:
            features = tf.nn.relu(normalize(features) @ layer.kernel + layer.bias)
            sums.append(goodness(features))
        found.append(sum(sums[1:] or sums))
    return tf.stack(found, axis=1)


@cache
def program(cell: Configuration) -> "tf.types.experimental.PolymorphicFunction":
    """Return the compiled steps of a cell, with the test after them."""
    import tensorflow as tf

    from gradbook.synthetic.without_backward import Layer

    adam = Adam()

    def layers(weights: list, learner: Learner) -> Learner:
        pairs = [Layer(*pair) for pair in zip(weights[::2], weights[1::2], strict=True)]
        return Learner(pairs[: len(learner.network)], pairs[len(learner.network) :])

    @tf.function(jit_compile=True, autograph=False)
    def advance(learner: Learner, state: Any, feedback: list, examples: list, schedule: list, rate: Any) -> tuple:
        """Return what is learnt after the steps of a schedule, Adam's state, and loss, cosines and test accuracy."""
        x_train, y_train, x_test, y_test = examples
        batches, shifts, first, seed = schedule
        classes = y_train.shape[1]

        def body(i: Any, learner: Learner, state: Any, sums: list) -> tuple:
            x, y = (tf.gather(part, batches[i]) for part in (x_train, y_train))
            wrong = tf.one_hot((tf.argmax(y, 1, tf.int32) + shifts[i]) % classes, classes)
            found, *logs = step(cell, learner, feedback, x, y, wrong, tf.stack([seed, (first + i) * cell.depth]))
            flat, gradients = (tf.nest.flatten(part) for part in (learner, found))
            flat, state = adam.update(flat, gradients, state, rate)
            return (
                i + 1,
                layers(flat, learner),
                state,
                [a + b for a, b in zip(sums, tf.nest.flatten(logs), strict=True)],
            )

        count = 1 if cell.method == "forward-forward" else 1 + cell.depth
        start = (tf.constant(0), learner, state, [tf.zeros([])] * count)
        _, learner, state, sums = tf.while_loop(lambda i, *_: i < batches.shape[0], body, start)
        right = tf.argmax(scores(cell, learner.network, x_test, classes), 1) == tf.argmax(y_test, 1)
        return learner, state, [total / batches.shape[0] for total in sums], tf.reduce_mean(tf.cast(right, tf.float32))

    return advance


def train(cell: Configuration, seeds: Sequence[int]) -> Iterator[Record]:
    """Train the network from each seed.

    Metrics are ``test_accuracy``, and ``train_loss``, the mean over the last fifth of the steps; forward-forward's is
    the mean of its layers' own losses. Curves are those two and ``step``, and for each hidden layer k, 1 nearest the
    input, ``cosine_k``: the cosine of its message with the gradient of backpropagation, a mean over the steps since the
    last log. Forward-forward has none: its messages are about other inputs.

    Raises:
        RunError: the loss became NaN or infinite.
    """
    import tensorflow as tf

    source = data.load(cell.dataset).require_images()
    classes = len(source.classes)
    one_hot = np.eye(classes, dtype=np.float32)
    x_train, x_test = (x.reshape(len(x), -1) for x in (source.x_train, source.x_test))
    examples = [tf.constant(part) for part in (x_train, one_hot[source.y_train], x_test, one_hot[source.y_test])]
    every, advance, batch = max(1, cell.steps // LOGS), program(cell), min(cell.batch_size, len(x_train))
    for seed in seeds:
        learner, feedback = tf.nest.map_structure(tf.constant, initial(cell, x_train.shape[1], classes, seed))
        state = Adam().init(tf.nest.flatten(learner))
        batches = order(len(x_train), (cell.steps, batch), generator(seed, "batches"))
        shifts = generator(seed, "wrong labels").integers(1, classes, batches.shape).astype(np.int32)
        names = ["train_loss", *(f"cosine_{k}" for k in range(1, cell.depth + 1))]
        curves: dict[str, list[float]] = {}
        for time in range(0, cell.steps, every):
            now = slice(time, time + every)
            schedule = [tf.constant(part) for part in (batches[now], shifts[now], time, seed % 2**31)]
            rate = cell.learning_rate * 0.1 ** sum(time >= fraction * cell.steps for fraction in DROPS)
            learner, state, means, accuracy = advance(learner, state, feedback, examples, schedule, tf.constant(rate))
            logged = {"step": min(time + every, cell.steps), "test_accuracy": accuracy}
            for name, value in (logged | dict(zip(names, means, strict=False))).items():
                curves.setdefault(name, []).append(float(value))
            require_finite(curves["train_loss"][-1], "train_loss", f"step {curves['step'][-1]:.0f}")
        yield Record({name: curves[name][-1] for name in ("test_accuracy", "train_loss")}, curves, data=source.identity)


EXPERIMENT = Experiment("without_backward", 1, Configuration, train, stack=5)
run = EXPERIMENT.run

STUDY = Study(
    "without_backward",
    EXPERIMENT,
    plan(
        (grid(Configuration, method=METHODS), 5),
        (grid(Configuration, initial=["zeros"], method=["direct feedback"]), 5),
    ),
)

"""What else a gate can turn while a network trains, each variant in a small network of its own."""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Literal, get_args

from pydantic import Field

from gradbook import data, gradnets
from gradbook.seeds import set_seed
from gradbook.studies import experiment
from gradbook.studies.experiment import Experiment, Record
from gradbook.studies.study import Study, grid, plan
from gradbook.training import finite_loss

if TYPE_CHECKING:
    import keras

    from gradbook.gradnets import Gate

Variant = Literal["relu", "dropout", "batch_normalization", "depth", "pooling", "sampling", "optimizer"]


class Configuration(experiment.Configuration):
    """One cell.

    Attributes:
        dataset: of images.
        variant: what turns.
        form: the early form throughout, the late one throughout, or the one into the other by a gate that opens
            linearly over the first half of training.
        epochs: passes over the training images, in batches of 50.
    """

    dataset: str = "mnist"
    variant: Variant = "relu"
    form: Literal["early", "late", "gradual"] = "gradual"
    epochs: int = Field(1, ge=1)


def hidden(variant: Variant, gate: "Gate") -> "list[keras.Layer]":
    """Return the layers between an image and the last layer."""
    from keras.layers import Conv2D, Dense, Flatten, ReLU

    match variant:
        case "relu":  # linear → rectified
            return [Flatten(), *chain(*((Dense(50), gradnets.GradualReLU(gate)) for _ in range(10)))]
        case "dropout":  # none → half of the units
            return [Flatten(), Dense(200, "relu"), gradnets.GradualDropout(0.5, gate)]
        case "batch_normalization":  # with → without
            blocks = ((Dense(50), gradnets.GradualBatchNormalization(gate), ReLU()) for _ in range(5))
            return [Flatten(), *chain(*blocks)]
        case "depth":  # one hidden layer → twenty-one
            blocks = (gradnets.GradualDepth(Dense(50, "relu"), gate) for _ in range(20))
            return [Flatten(), Dense(50, "relu"), *blocks]
        case "pooling":  # average → maximum
            convolutions = (Conv2D(8, 3, padding="same", activation="relu") for _ in range(2))
            return [*chain(*((convolution, gradnets.GradualPooling(gate)) for convolution in convolutions)), Flatten()]
        case "sampling":  # probabilities → samples
            return [Flatten(), Dense(200), gradnets.GradualSampling(gate)]
        case "optimizer":
            return [Flatten(), Dense(100, "relu")]


def train(cell: Configuration, seeds: Sequence[int]) -> Iterator[Record]:
    """Train one network from each seed with Adam (learning rate 0.001), and measure its accuracy on the test images.

    Where the optimizer is what turns, it turns from Adam into gradient descent (learning rate 0.1).

    Raises:
        InputError: the dataset holds no images.
        RunError: the loss became NaN or infinite.
    """
    import keras

    images = data.load(cell.dataset).require_images()
    for seed in seeds:
        set_seed(seed)
        gate = gradnets.Gate({"early": 0.0, "late": 1.0, "gradual": gradnets.Linear(0, 0.5)}[cell.form])
        optimizer = keras.optimizers.Adam()
        if cell.variant == "optimizer":
            optimizer = gradnets.GradualOptimizer(optimizer, keras.optimizers.SGD(0.1), gate)
        layers = [*hidden(cell.variant, gate), keras.layers.Dense(len(images.classes), "softmax")]
        model = keras.Sequential([keras.Input(images.x_train.shape[1:]), *layers])
        model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"], jit_compile=False)
        history = model.fit(
            images.x_train,
            images.y_train,
            batch_size=50,
            epochs=cell.epochs,
            validation_data=(images.x_test, images.y_test),
            callbacks=[gradnets.Progress(), finite_loss()],
            verbose=0,
        ).history
        curves = {"train_accuracy": history["accuracy"], "test_accuracy": history["val_accuracy"]}
        yield Record({"test_accuracy": curves["test_accuracy"][-1]}, curves, data=images.identity)


EXPERIMENT = Experiment("gradnets_variants", version=1, configuration=Configuration, train=train)
run = EXPERIMENT.run

FORMS = ["early", "late", "gradual"]

STUDY = Study(
    "gradnets_variants",
    EXPERIMENT,
    plan((grid(Configuration, dataset=["digits"], epochs=[20], variant=get_args(Variant), form=FORMS), 3)),
)
"""Each variant in a small network on the small images, gradual beside its two ends."""

"""A program: each model of one's own, trained by two replicas and by one; prints how far apart they end, in JSON."""

import json

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from gradbook.auxiliary.model import Censored
from gradbook.errors import InputError
from gradbook.gradnets import Linear, Progress, gradual
from gradbook.lowrank import Distilled, compress
from gradbook.synthetic import Decoupled

LOGITS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
X, Y = np.random.default_rng(0).normal(size=(32, 6, 6, 1)).astype("float32"), np.arange(32) % 3


def network(heads: int = 1) -> keras.Model:
    """One whose weights do not depend on where it is made."""
    images = keras.Input((6, 6, 1))
    x = layers.Conv2D(16, 3, activation="relu", kernel_regularizer=keras.regularizers.L2(0.1), name="first")(images)
    x = layers.Conv2D(16, 3, activation="relu", name="second")(x)
    x = layers.Flatten()(x)
    outputs = [layers.Dense(3, name=f"head_{n}")(x) for n in range(heads)]
    return drawn(keras.Model(images, outputs if heads > 1 else outputs[0]))


def drawn(model: keras.Model) -> keras.Model:
    """The model with weights that depend on their shapes alone."""
    random = np.random.default_rng(1)
    model.set_weights([0.3 * random.normal(size=w.shape) for w in model.get_weights()])
    return model


def small() -> keras.Model:
    """The network with fewer weights."""
    return drawn(compress(network(), "low_rank", value=0.3, verbose=False))


MODELS = {
    "Censored": lambda: Censored(network(2), 0, "multitask", weight={"weight_decay": 0.1}, alpha=0.5),
    "Decoupled": lambda: Decoupled(network(), ["first"], mixing=0.5),
    "gradual": lambda: gradual(network(), Linear(0.0, 0.5)),
    "Distilled": lambda: Distilled(small(), network(), alpha=0.5, beta=1.0),
}


def trained(name: str) -> list[np.ndarray]:
    """The losses and the weights."""
    model = MODELS[name]()
    model.compile(keras.optimizers.SGD(0.05), [LOGITS, LOGITS] if name == "Censored" else LOGITS)
    callbacks = [Progress()] if name == "gradual" else []
    targets = [Y, Y] if name == "Censored" else Y
    history = model.fit(X, targets, batch_size=16, epochs=2, shuffle=False, verbose=0, callbacks=callbacks).history
    return [np.array(history["loss"]), *model.get_weights()]


def main() -> None:
    """Compare."""
    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    assert strategy.num_replicas_in_sync == 2
    apart = {}
    for name in MODELS:
        with strategy.scope():
            both = trained(name)
        apart[name] = max(float(np.abs(a - b).max()) for a, b in zip(both, trained(name), strict=True) if a.size)
    with strategy.scope():
        rare = Decoupled(network(), ["first"], settings={"update_probability": 0.5})
        try:
            rare.compile("sgd", LOGITS)
        except InputError as error:
            apart["refused"] = str(error)
    print(json.dumps(apart))


if __name__ == "__main__":
    main()

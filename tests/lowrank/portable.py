"""What every backend of Keras must agree on; as a program, it prints that in JSON."""

import contextlib
import json
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import keras
import numpy as np
from keras import layers

from gradbook.lowrank import count
from gradbook.lowrank.budget import fit
from gradbook.lowrank.convs import FAMILIES
from gradbook.lowrank.distill import Distillation, Learner
from gradbook.lowrank.networks import wide_resnet
from gradbook.lowrank.protocol import PROTOCOLS
from gradbook.lowrank.training import train

PROTOCOL = replace(PROTOCOLS["darts"], batch_size=8, epochs=3, crop=1, cutout=2, drop_path=0.0)


def network(seed: int) -> keras.Model:
    """Every family side by side, with weights that do not depend on the backend."""
    images = keras.Input((6, 6, 8))
    sides = [family(family.example)(8, 3, padding="same", name=name)(images) for name, family in FAMILIES.items()]
    x = layers.Identity(name="tap_1")(layers.Add()(sides))
    logits = layers.Dense(3)(layers.GlobalAveragePooling2D()(layers.ReLU()(x)))
    model = keras.Model(images, logits, name="every_family")
    random = np.random.default_rng(seed)
    for weight in model.weights:
        if "moving" not in weight.name:
            weight.assign(0.5 * random.standard_normal(weight.shape))
    return model


def numbers(weights: list[keras.Variable]) -> list[np.ndarray]:
    """The weights as arrays of NumPy."""
    return [keras.ops.convert_to_numpy(weight) for weight in weights]


def measure(folder: Path) -> dict[str, list[float]]:
    """Losses of a training that is interrupted once, how far it moved each weight, counts, and what meets a budget."""
    random = np.random.default_rng(0)
    images, labels = random.standard_normal((16, 6, 6, 8), np.float32), random.integers(0, 3, 16).astype(np.int32)
    model = network(1)
    model.save(folder / "model.keras")
    saved = keras.models.load_model(folder / "model.keras")
    for one, other in zip(numbers(model.weights), numbers(saved.weights), strict=True):
        np.testing.assert_array_equal(one, other)

    def interrupt(epoch, logs):
        if epoch == 1:
            raise KeyboardInterrupt

    student = network(2)
    before = numbers(student.trainable_weights)
    learner = Learner(student, model, Distillation(alpha=0.5, beta=10.0), PROTOCOL.weight_decay, ratio=0.3)
    stops = [keras.callbacks.LambdaCallback(on_epoch_begin=interrupt)]
    with contextlib.suppress(KeyboardInterrupt):
        train(learner, images, labels, PROTOCOL, folder=folder, callbacks=stops)
    losses = train(learner, images, labels, PROTOCOL, folder=folder)["loss"]
    after = numbers(student.trainable_weights)
    moved = [float(np.linalg.norm(new - old)) for new, old in zip(after, before, strict=True)]
    budget = fit(partial(wide_resnet, 10, 1), 20_000, family="low_rank")
    counts = [count.parameters(student), count.mult_adds(student), budget.parameters]
    return {"losses": losses, "moved": moved, "counts": counts}


if __name__ == "__main__":
    print(json.dumps({"backend": keras.backend.backend()} | measure(Path(sys.argv[1]))))

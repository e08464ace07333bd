"""Compression: accuracy on digits of a trained network, of what compress makes of it, and after an epoch of distilling.

Every family whose nearest weights to a dense kernel are known, at the same budget; means and ranges over three seeds.
"""

import keras
import numpy as np
import pandas as pd
from keras import layers

from gradbook.data import Dataset, load
from gradbook.errors import InputError
from gradbook.lowrank import Distilled, compress
from gradbook.lowrank.convs import FAMILIES
from gradbook.seeds import set_seed

SEEDS, BUDGET, KEEP, EPOCHS = range(3), 60_000, ["stem", "classifier"], 10
STAGES = ("before", "compressed", "after an epoch of distilling")


def measure() -> pd.DataFrame:
    """Return one row per family: the parameters that it has, and mean and range of accuracies over seeds."""
    digits, found = load("digits"), {}
    for seed in SEEDS:
        set_seed(seed)
        large = compiled(network(digits))
        large.fit(digits.x_train, digits.y_train, batch_size=64, epochs=EPOCHS, verbose=0)
        for name, family in FAMILIES.items():
            if family.hyperparameter and (row := accuracies(large, name, digits)):
                found.setdefault(name, []).append(row)
    rows = {name: [*zip(*values, strict=True)] for name, values in found.items()}
    return pd.DataFrame(
        {"family": name, "parameters": f"{counts[0]:,}"} | dict(zip(STAGES, map(summary, stages), strict=True))
        for name, (counts, *stages) in rows.items()
    )


def summary(values: tuple[float, ...]) -> str:
    """Return the mean and the range."""
    return f"{np.mean(values):.3f} ({min(values):.3f}–{max(values):.3f})"


def network(digits: Dataset) -> keras.Model:
    """Return the network of the page on compression."""
    images = keras.Input(digits.x_train.shape[1:])
    x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(32, 3, padding="same", name="stem")(images)))
    x = layers.Conv2D(64, 3, strides=2, padding="same", activation="relu", name="middle")(x)
    x = layers.Conv2D(64, 3, padding="same", activation="relu", name="last")(x)
    x = layers.Dense(64, activation="relu", name="hidden")(layers.Flatten()(x))
    return keras.Model(images, layers.Dense(10, activation="softmax", name="classifier")(x))


def accuracies(large: keras.Model, family: str, digits: Dataset) -> tuple[float, ...] | None:
    """Return parameters and accuracies, or None for a family that cannot start there, or cannot meet the budget."""
    try:
        small = compiled(compress(large, family, BUDGET, keep=KEEP, verbose=False))
    except InputError as error:
        print(f"{family}: {error}")
        return None
    at_once = accuracy(small, digits)
    learner = compiled(Distilled(small, teacher=large, alpha=0.5, beta=10.0))
    learner.fit(digits.x_train, digits.y_train, batch_size=64, epochs=1, verbose=0)
    return small.count_params(), accuracy(large, digits), at_once, accuracy(small, digits)


def compiled(model: keras.Model) -> keras.Model:
    """Return the model, ready for ``fit``."""
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"], jit_compile=False)
    return model


def accuracy(model: keras.Model, digits: Dataset) -> float:
    """Return the fraction of test images that are told right."""
    return model.evaluate(digits.x_test, digits.y_test, batch_size=512, verbose=0, return_dict=True)["accuracy"]

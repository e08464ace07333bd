"""One's own model: a step of Censored and of Decoupled and a pass through a compressed network, beside plain Keras.

Each backend has a process of its own: that of this environment, and those that `make backends` made in ``_build``.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
from keras import layers, ops

from benchmarks._sides import quartiles
from gradbook.auxiliary.model import Censored
from gradbook.gradnets import gradual
from gradbook.lowrank import Distilled, compress
from gradbook.seeds import generator, set_seed
from gradbook.timing import in_turns

BACKENDS = ("tensorflow", "jax", "torch")
WIDTHS, BATCH, ROUNDS = (2048, 1600, 1200), 256, 30
LIMIT = 1.15
"""Times as long as two separate backward passes that a step of Censored may take."""

Loop = Callable[[int], object]


def measure() -> pd.DataFrame:
    """Return one row for each pair and backend; where a backend is missing, say so."""
    rows = []
    for backend in BACKENDS:
        made = Path("_build", backend, "bin", "python")
        python = sys.executable if find_spec(backend) else made
        if not Path(python).exists():
            print(f"{backend}: not installed here, and `make backends` has made no environment with it")
            continue
        environment = os.environ | {"KERAS_BACKEND": backend}
        ended = subprocess.run([python, "-m", __name__], env=environment, capture_output=True, text=True, check=True)
        rows += json.loads(ended.stdout.splitlines()[-1])
    return pd.DataFrame(rows)


def here() -> list[dict[str, str]]:
    """Measure on the backend that Keras runs on."""
    what = "Censored, one auxiliary loss, 5 million parameters"
    rows = [
        row(what, "two backward passes", beside(TwoPasses), f"{LIMIT}"),
        row(what, "fit on the sum", beside(lambda network: network)),
    ]
    ways = [way for way in WAYS if way != "Decoupled" or keras.backend.backend() == "tensorflow"]
    rows += [row(f"{way}, three layers of 512", "fit", beside_fit(way)) for way in ways]
    return [*rows, row("compress, a forward pass", "the same layers by hand", compressed())]


def row(what: str, beside: str, sides: dict[str, Loop], limit: str = "") -> dict[str, str]:
    """Time two sides in turns; the first is what the second is compared with."""
    plain, ours = in_turns(sides, ROUNDS).values()
    return {
        "what": what,
        "backend": keras.backend.backend(),
        "ms": f"{np.median(ours):.1f}",
        "quartiles": quartiles(ours),
        "beside": beside,
        "its ms": f"{np.median(plain):.1f}",
        "its quartiles": quartiles(plain),
        "times": f"{np.median(ours) / np.median(plain):.2f}",
        "limit": limit,
    }


def two_headed() -> tuple[keras.Model, tuple]:
    """Return a trunk of five million parameters with two heads, and a batch for it."""
    set_seed(0)
    x = inputs = keras.Input(WIDTHS[:1])
    for width in WIDTHS[1:]:
        x = layers.Dense(width, "relu")(x)
    random = generator(0, "examples")
    targets = [random.integers(0, 2, BATCH), random.normal(size=(BATCH, 1)).astype(np.float32)]
    batch = random.random((BATCH, WIDTHS[0]), np.float32), targets
    return keras.Model(inputs, [layers.Dense(2, name="main")(x), layers.Dense(1, name="other")(x)]), batch


LOSSES = [keras.losses.SparseCategoricalCrossentropy(from_logits=True), keras.losses.MeanSquaredError()]


def beside(peer: Callable[[keras.Model], keras.Model]) -> dict[str, Loop]:
    """Return a step of what is made of the two-headed network, and one of Censored."""
    sides = {"peer": peer, "ours": lambda network: Censored(network, "main", "projection")}
    return {side: _steps(compiled(make(two_headed()[0])), two_headed()[1]) for side, make in sides.items()}


def compiled(model: keras.Model) -> keras.Model:
    """Return a model that descends on both losses."""
    model.compile(keras.optimizers.SGD(1e-3), LOSSES)
    return model


def _steps(model: keras.Model, batch: tuple) -> Loop:
    return lambda number: model.train_on_batch(*batch)


class TwoPasses(keras.Model):
    """A network whose step passes forward and backward for each loss apart and descends on the sum of the gradients."""

    def __init__(self, network: keras.Model) -> None:
        super().__init__()
        self.network, self.built = network, True

    def call(self, x: Any, **options: Any) -> Any:
        """Return the network's outputs."""
        return self.network(x, **options)

    def train_step(self, *arguments: Any) -> Any:
        """Take one step, by the backend's own means."""
        return {"tensorflow": self._by_tensorflow, "jax": self._by_jax, "torch": self._by_torch}[
            keras.backend.backend()
        ](*arguments)

    def _by_tensorflow(self, data: tuple) -> dict[str, Any]:
        import tensorflow as tf

        x, targets, _ = keras.utils.unpack_x_y_sample_weight(data)
        found = []
        for head, target in enumerate(targets):
            with tf.GradientTape() as tape:
                loss = LOSSES[head](target, self(x, training=True)[head])
            found.append(tape.gradient(loss, [v.value for v in self.trainable_variables]))
        self.optimizer.apply(_added(*found), self.trainable_variables)
        return {"loss": loss}

    def _by_jax(self, state: tuple, data: tuple) -> tuple:
        import jax

        x, targets, _ = keras.utils.unpack_x_y_sample_weight(data)
        weights, rest, slots, metrics = state

        def loss(weights: list, head: int) -> Any:
            outputs, _ = self.stateless_call(weights, rest, x, training=True)
            return LOSSES[head](targets[head], outputs[head])

        (last, main), (_, other) = [jax.value_and_grad(loss)(weights, head) for head in range(2)]
        weights, slots = self.optimizer.stateless_apply(slots, _added(main, other), weights)
        return {"loss": last}, (weights, rest, slots, metrics)

    def _by_torch(self, data: tuple) -> dict[str, Any]:
        import torch

        x, targets, _ = keras.utils.unpack_x_y_sample_weight(data)
        values, found = [v.value for v in self.trainable_variables], []
        for head, target in enumerate(targets):
            loss = LOSSES[head](target, self(x, training=True)[head])
            found.append(torch.autograd.grad(loss, values, allow_unused=True))
        with torch.no_grad():
            self.optimizer.apply(_added(*found), self.trainable_variables)
        return {"loss": loss}


def _added(main: list, other: list) -> list:
    return [u if v is None else v if u is None else u + v for u, v in zip(main, other, strict=True)]


def mlp() -> keras.Model:
    """Return three hidden layers of 512."""
    set_seed(0)
    hidden = [layers.Dense(512, "relu", name=f"hidden_{number}") for number in range(3)]
    return keras.Sequential([keras.Input((784,)), *hidden, layers.Dense(10)])


def decoupled(network: keras.Model) -> keras.Model:
    """Return the network cut at two places; TensorFlow only."""
    from gradbook.synthetic import Decoupled

    return Decoupled(network, ["hidden_0", "hidden_1"])


WAYS = {
    "Decoupled": decoupled,
    "gradual": partial(gradual, activation=0.5),
    "Distilled": lambda network: Distilled(network, mlp(), alpha=0.5),
}


def beside_fit(way: str) -> dict[str, Loop]:
    """Return a step of ``fit`` on a network, and one on what is made of it."""
    random = generator(0, "examples")
    batch = random.random((BATCH, 784), np.float32), random.integers(0, 10, BATCH)
    models = [mlp(), WAYS[way](mlp())]
    for model in models:
        model.compile("adam", LOSSES[0])
    return dict(zip(("fit", "ours"), (_steps(model, batch) for model in models), strict=True))


def compressed() -> dict[str, Loop]:
    """Return a pass through Tucker-2's three convolutions written by hand, and one through what compress made."""
    set_seed(0)
    images = keras.Input((16, 16, 128))
    large = keras.Model(images, layers.Conv2D(128, 3, padding="same")(images))
    small = compress(large, "tucker2", value=0.25, verbose=False)
    inner = layers.Conv2D(32, 3, padding="same", use_bias=False)(layers.Conv2D(32, 1, use_bias=False)(images))
    hand = keras.Model(images, layers.Conv2D(128, 1)(inner))
    factors = small.layers[-1].factor
    given = [ops.convert_to_numpy(factors[name]) for name in ("down", "core", "up")]
    hand.set_weights(
        [given[0][None, None], given[1], given[2][None, None], ops.convert_to_numpy(small.layers[-1].bias)]
    )
    batch = generator(0, "images").random((32, 16, 16, 128), np.float32)
    found = [model.predict_on_batch(batch) for model in (hand, small)]
    np.testing.assert_allclose(*found, atol=1e-4)
    return {"hand": lambda number: hand.predict_on_batch(batch), "ours": lambda number: small.predict_on_batch(batch)}


if __name__ == "__main__":
    print(json.dumps(here()))

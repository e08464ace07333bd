"""Rules: what censoring costs a compiled step of two tasks, in a trunk of five million parameters.

The step of one task computes one gradient; an auxiliary one is a second, and a rule costs whatever goes beyond that.
"""

from collections.abc import Callable
from functools import partial
from typing import get_args

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from benchmarks._sides import quartiles
from gradbook.auxiliary import RULES, Scope, censor
from gradbook.auxiliary.two_headed import gradients
from gradbook.seeds import generator, set_seed
from gradbook.timing import in_turns

WIDTHS, BATCH, RATE, ROUNDS = (2048, 1600, 1200), 256, 1e-3, 60
ONE, BOTH = "one task", "both, added"


def measure() -> pd.DataFrame:
    """Time the steps: one row per rule and scope, and before them those that they are compared with."""
    rules = [(name, scope) for scope in get_args(Scope) for name, rule in RULES.items() if rule.compares]
    steps = {ONE: step(None), BOTH: step(lambda u, v: u)}
    steps |= {f"{rule}, {scope}": step(partial(censor, rule=rule, scope=scope)) for rule, scope in rules}
    timed = in_turns(steps, ROUNDS)
    median = {name: np.median(values) for name, values in timed.items()}
    return pd.DataFrame(
        {
            "step": name,
            "median ms": f"{median[name]:.1f}",
            "quartiles": quartiles(values),
            "over one task": "" if name == ONE else f"{median[name] / median[ONE] - 1:+.0%}",
            "beyond the second gradient": ""
            if name in (ONE, BOTH)
            else f"{(median[name] - median[BOTH]) / median[ONE]:+.0%}",
        }
        for name, values in timed.items()
    )


def step(keep: Callable | None) -> Callable[[int], None]:
    """Compile a step of descent on the main task and, unless None, on what is kept of an auxiliary gradient."""
    set_seed(0)
    hidden = [keras.layers.Dense(width, "relu") for width in WIDTHS[1:]]
    trunk = keras.Sequential([keras.Input(WIDTHS[:1]), *hidden])
    heads = [keras.Sequential([keras.Input(WIDTHS[-1:]), keras.layers.Dense(2)]) for _ in range(2)]
    random = generator(0, "examples")
    tasks = [
        (tf.constant(random.random((BATCH, WIDTHS[0]), np.float32)), tf.constant(random.integers(0, 2, BATCH)))
        for _ in heads
    ]

    @tf.function
    def descend() -> None:
        direction, _ = gradients(trunk, heads[0], tasks[0])
        if keep:
            u, _ = gradients(trunk, heads[1], tasks[1])
            direction = [v + kept for v, kept in zip(direction, keep(u, direction), strict=True)]
        for variable, change in zip(trunk.trainable_variables, direction, strict=True):
            variable.assign_sub(RATE * change)

    def loop(number: int) -> None:
        descend()
        trunk.trainable_variables[-1].numpy()

    return loop

"""Networks in which something else than a rectifier turns."""

from dataclasses import replace
from typing import get_args

import keras
import numpy as np
import pytest

from gradbook import data
from gradbook.errors import RunError
from gradbook.experiments.gradnets_variants import Configuration, Variant, hidden, run
from gradbook.gradnets import Linear
from gradbook.gradnets.layers import Gate


@pytest.fixture
def few_digits(monkeypatch):
    """A dataset of a hundred images in the place of all others."""
    digits = data.load("digits")
    few = replace(digits, x_train=digits.x_train[:100], y_train=digits.y_train[:100])
    monkeypatch.setattr(data, "load", lambda name: few)
    return few


@pytest.mark.parametrize("variant", sorted(set(get_args(Variant)) - {"optimizer"}))
def test_what_turns_is_another_function_when_it_has_turned(variant):
    images = np.random.default_rng(0).normal(size=(8, 8, 8, 1)).astype(np.float32)
    keras.utils.set_random_seed(0)
    gate = Gate(Linear(0, 1))
    model = keras.Sequential([keras.Input(images.shape[1:]), *hidden(variant, gate)])
    outputs = []
    for value in (0.0, 0.0, 1.0):
        gate.progress.assign(value)
        outputs.append(np.array(model(images, training=True)))
    early, again, late = outputs
    np.testing.assert_array_equal(early, again)
    assert np.abs(late - early).max() > 1e-3


def test_runs_of_one_seed_are_equal_and_of_two_are_not(few_digits):
    one, other = run(Configuration(dataset="digits"), [3, 4])
    (again,) = run(Configuration(dataset="digits"), [3])
    assert one.curves == again.curves != other.curves
    assert one.metrics["test_accuracy"] == one.curves["test_accuracy"][-1]


def test_a_run_whose_loss_is_lost_ends_and_says_when(few_digits, monkeypatch):
    bright = replace(few_digits, x_train=few_digits.x_train * np.float32(1e38))
    monkeypatch.setattr(data, "load", lambda name: bright)
    with pytest.raises(RunError, match=r"train_loss became (nan|inf) in epoch 1"):
        run(Configuration(dataset="digits"), [0])

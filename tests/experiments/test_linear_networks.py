"""Linear networks on four kinds of labels."""

import numpy as np
import pytest
from scipy.special import log_expit

from gradbook.experiments.linear_networks import FLIPPED, STUDY, Configuration, examples, run
from gradbook.synthetic.linear import least_squares


def test_labels_are_what_their_names_say():
    x, separable = examples("separable", 2)
    again, noisy = examples("noisy", 2)
    np.testing.assert_array_equal(again, x)
    assert 0 < np.mean(separable != noisy) < 2 * FLIPPED
    signs = 2 * separable - 1
    direction = np.zeros(2)
    for _ in range(10_000):  # the perceptron ends on separable labels alone
        wrong = (signs * (x @ direction)[:, None] <= 0).ravel()
        if not wrong.any():
            break
        direction += (signs * x)[wrong][0]
    assert not wrong.any()
    x, y = examples("exclusive or", 3)
    np.testing.assert_array_equal(y[:, 0] == 1, x[:, 0] * x[:, 1] > 0)
    assert 0.3 < examples("random", 2)[1].mean() < 0.7


@pytest.mark.parametrize("mode", ["backpropagation", "cDNI"])
def test_a_linear_model_ends_at_the_least_squares(mode):
    cell = Configuration(labels="noisy", mode=mode, learning_rate=1e-2, steps=3000)
    x, y = examples("noisy", 2)
    best = least_squares(np.hstack([x, np.ones_like(y)]), y) / len(y)
    (record,) = run(cell, [0])
    assert record.metrics["train_loss"] == pytest.approx(best, abs=1e-3)
    assert len(record.curves["train_loss"]) == 100


def test_the_logistic_loss_is_that_of_the_labels():
    _x, _y = examples("random", 2)
    (record,) = run(Configuration(labels="random", loss="logistic", mode="backpropagation", hidden_layers=1), [0])
    assert 0.5 < record.metrics["train_loss"] <= -log_expit(0.0)


def test_deep_networks_at_a_constant_rate_have_fewer_seeds():
    planned = {(cell.hidden_layers, cell.schedule): len(seeds) for cell, seeds in STUDY.planned.items()}
    assert planned == {(0, "constant"): 10, (10, "constant"): 3, (10, "drops"): 10}


def test_rates_that_drop_change_nothing_before_they_do():
    curves = [
        run(Configuration(schedule=schedule, steps=100), [0])[0].curves["train_loss"]
        for schedule in ("constant", "drops")
    ]
    same = np.isclose(*curves, rtol=1e-6)
    assert same[:60].all()
    assert not same[65:].any()

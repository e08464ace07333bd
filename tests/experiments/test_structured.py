"""Classifiers of structured matrices: each is of its family and of the size of its budget, and a seed decides a run."""

import numpy as np
import pytest
import tensorflow as tf

from gradbook.errors import InputError
from gradbook.experiments.structured import LAYERS, Configuration, program, run, within
from gradbook.lowrank.convs.table import FAMILIES
from gradbook.optimizers import Adam
from gradbook.seeds import set_seed

BUDGETS = {name: None for name, family in FAMILIES.items() if family.hyperparameter is None}
BUDGETS |= dict.fromkeys(["low_rank", "hashed", "monarch", "block_tensor_train"], 3000)


@pytest.mark.parametrize("name", BUDGETS)
def test_a_network_s_layers_are_of_its_family_and_fill_its_budget(name):
    build, kept, value = within(BUDGETS[name], name, (64, 32, 10))
    model = build()
    assert {type(layer) for layer in model.layers[1 : 1 + LAYERS]} == {FAMILIES[name].layer}
    dense = 65 * 32 + 2 * 33 * 32 + 33 * 10
    assert kept * dense == pytest.approx(BUDGETS[name] or dense, rel=0.3)  # some come in coarse steps
    assert (value == 0) == (BUDGETS[name] is None)


def test_a_budget_that_a_family_cannot_meet_is_refused():
    with pytest.raises(InputError, match=r"parameters must be between .* received 10"):
        within(10, "low_rank", (64, 32, 10))


def test_scaled_rates_multiply_the_steps_of_factors():
    random = np.random.default_rng(0)
    data = tf.constant(random.random((8, 1, 1, 64), np.float32)), tf.constant(random.integers(0, 10, 8), tf.int32)
    steps = {}
    for scaled in (False, True):
        build, epoch, *_ = program("low_rank", 3000, (64, 32, 10), scaled, False)
        set_seed(0)
        model = build()
        weights = [tf.convert_to_tensor(weight) for weight in model.trainable_variables]
        start = weights, Adam().init(weights)
        (after, _), _ = epoch(start, [], data, tf.constant([range(8)]), tf.constant(1e-3), tf.constant(0.0))
        steps[scaled] = [(new - old).numpy() for new, old in zip(after, weights, strict=True)]
    layers = model.layers[1 : 1 + LAYERS]
    rates = {id(layer.factor[name]): rate for layer in layers for name, rate in layer.learning_rates().items()}
    factors = [rates.get(id(weight), 1.0) for weight in model.trainable_variables]
    assert len({*factors}) > 1
    for plain, own, factor in zip(steps[False], steps[True], factors, strict=True):
        np.testing.assert_allclose(own, factor * plain, rtol=1e-3, atol=1e-7)


def test_a_spectral_start_is_another_start():
    small = {"dataset": "digits", "width": 16, "family": "low_rank", "budget": 1200, "images": 200, "epochs": 1}
    own, spectral = (run(Configuration(**small, start=start), [0])[0] for start in ("own", "spectral"))
    assert own.metrics["test_loss"] != spectral.metrics["test_loss"]


@pytest.mark.parametrize("decay", ["weights", "compressed", "frobenius"])
def test_a_seed_decides_a_run_and_decay_acts(decay):
    small = {"dataset": "digits", "width": 16, "family": "low_rank", "budget": 1200, "images": 200, "decay": decay}
    first, second = run(Configuration(**small), [0, 1])
    (again,) = run(Configuration(**small), [0])
    assert (again.metrics, again.curves) == (first.metrics, first.curves)
    assert first.metrics != second.metrics
    (decayed,) = run(Configuration(**small, weight_decay=1.0), [0])
    assert decayed.curves["train_loss"][-1] > first.curves["train_loss"][-1]

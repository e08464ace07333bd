"""The experiment against its published definitions, and against the same network built layer by layer in Keras."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from pydantic import ValidationError

from gradbook.errors import RunError
from gradbook.experiments.gradnets import (
    Configuration,
    adam,
    batches,
    initial,
    program,
    random_bits,
    run,
    tensors,
    train,
)
from gradbook.gradnets import GradualHighway, gradual_mlp
from gradbook.seeds import generator

SMALL = {"dataset": "digits", "depth": 5, "width": 12, "epochs": 2, "tau": 1, "log_every": 14}


def test_the_published_network_starts_as_published():
    parameters = [p.numpy() for p in initial(Configuration(), 784, generator(0, "weights"))]
    assert sum(p.size for p in parameters) == 162_160
    expected = 0.1 * math.sqrt(2 / math.pi) * (1 - math.exp(-2)) / math.erf(math.sqrt(2))
    assert expected == pytest.approx(0.07228, abs=5e-6)
    assert np.abs(parameters[2]).mean() == pytest.approx(expected, rel=0.01)
    assert np.abs(parameters[2]).max() <= 0.2
    assert not any(p.any() for p in parameters[1::2])


def test_initialisers_have_the_variance_or_the_angles_they_are_named_for():
    def hidden(**choice):
        return initial(Configuration(**choice), 4, generator(1))[2].numpy()

    assert hidden(initialiser="he").var() == pytest.approx(2 / 50, rel=0.05)
    w = hidden(initialiser="orthogonal", depth=4)
    np.testing.assert_allclose(np.swapaxes(w, 1, 2) @ w, np.broadcast_to(np.eye(50), (2, 50, 50)), atol=1e-5)
    biases = initial(Configuration(layer="highway", bias=0.1), 4, generator(1))[3].numpy()
    assert np.unique(biases[:, :50]) == np.float32(0.1) and np.unique(biases[:, 50:]) == -2


def test_a_batch_is_measured_as_the_keras_model_measures_it():
    configuration = Configuration(**SMALL, gate=0.4)
    images, labels, *_ = tensors("digits")
    images, labels = images[:50], labels[:50]
    parameters = initial(configuration, 64, generator(0, "weights"))
    model = gradual_mlp(depth=5, width=12, inputs=64, gate=0.4)
    first, first_bias, hidden, hidden_biases, last, last_bias = parameters
    model.layers[0].set_weights([first, first_bias])
    model.layers[-1].set_weights([last, last_bias])
    layers = [layer for layer in model.layers if isinstance(layer, GradualHighway)]
    for layer, w, b in zip(layers, hidden, hidden_biases, strict=True):
        layer.kernel.assign(w)
        layer.bias.assign(b)
    with tf.GradientTape() as tape:
        probabilities = model(images)
        likelihoods = tf.gather(probabilities, labels, batch_dims=1)
        loss = -tf.reduce_sum(tf.math.log(likelihoods + 1e-9))
    expected = [np.abs(g).mean() for g in tape.gradient(loss, [layer.kernel.value for layer in layers])]
    accuracy = np.mean(np.argmax(probabilities, 1) == labels)

    gate, found, weight, gradients = program(configuration, 56, 64).measure(parameters, images, labels, tf.constant(3))
    assert float(gate) == pytest.approx(0.4)
    assert float(found) == pytest.approx(accuracy)
    assert float(weight) == pytest.approx(np.abs(hidden).mean(), rel=1e-6)
    np.testing.assert_allclose(gradients, expected, rtol=1e-4)


def test_a_step_is_keras_adam_at_the_published_learning_rate():
    configuration = Configuration(**SMALL | {"keep": 1.0})
    images, labels, *_ = tensors("digits")
    order = batches(configuration, len(labels), generator(0, "batches"))[:3]
    parameters = initial(configuration, 64, generator(0, "weights"))
    slots = ([tf.zeros_like(p) for p in parameters],) * 2
    bits = random_bits(configuration, 3, generator(0).bit_generator)
    ours, _ = program(configuration, 56, 64).advance(parameters, slots, images, labels, order, bits, tf.constant(0))

    rate = keras.optimizers.schedules.ExponentialDecay(1e-3 * 0.8**0.01, decay_steps=1000, decay_rate=0.8)
    optimizer = keras.optimizers.Adam(rate, epsilon=1e-8)
    variables = [keras.Variable(p) for p in parameters]
    for step, batch in enumerate(order):
        g = min(step / 56 * 2, 1.0)
        with tf.GradientTape() as tape:
            first, first_bias, hidden, biases, last, last_bias = (v.value for v in variables)
            x = tf.nn.relu(tf.gather(images, batch) @ first + first_bias)
            for w, b in zip(tf.unstack(hidden), tf.unstack(biases), strict=True):
                x = g * tf.nn.relu(x @ w + b) + (1 - g) * x
            truth = tf.one_hot(tf.gather(labels, batch), 10)
            loss = -tf.reduce_sum(truth * tf.math.log(tf.nn.softmax(x @ last + last_bias) + 1e-9))
            loss += 50 * tf.reduce_mean(tf.abs(hidden))
        optimizer.apply(tape.gradient(loss, [v.value for v in variables]), variables)
    for got, expected in zip(ours, variables, strict=True):
        np.testing.assert_allclose(got, expected, atol=2e-5)


def test_the_learning_rate_and_adam_are_the_published_ones():
    ones = [tf.ones(3)]
    moved, _ = adam([tf.zeros(3)], ones, (ones, ones), tf.constant(0.5), tf.constant(10**6))
    np.testing.assert_allclose(moved[0], -0.5, rtol=1e-6)
    assert Configuration().rate(0) == pytest.approx(0.0009977710522882824)
    assert Configuration().rate(21_999) == pytest.approx(7.3638939204063224e-06)


def test_a_run_is_logged_from_the_start_at_gate_zero_without_gradient_and_repeats():
    (record,) = run(Configuration(**SMALL), [4])
    (again,) = run(Configuration(**SMALL), [4])
    assert record.curves == again.curves
    assert record.curves["iteration"] == [0, 14, 28, 42]
    np.testing.assert_allclose(record.curves["gate"], [0, 0.5, 1, 1], atol=1e-6)
    assert record.curves["mean_gradient"][0] == 0 < record.curves["mean_gradient"][1]
    assert record.metrics["final_accuracy"] == record.curves["test_accuracy"][-1]


def test_seeds_do_not_depend_on_their_company():
    alone, both = run(Configuration(**SMALL), [4]), run(Configuration(**SMALL), [3, 4])
    assert alone[0].curves == both[1].curves
    assert both[0].curves != both[1].curves


def test_what_one_call_advances_does_not_matter():
    def last(log_every):
        return list(train(Configuration(**SMALL | {"log_every": log_every}), 0))[-1]

    few, many = last(42), last(14)
    assert few.iteration == many.iteration == 42
    assert few.weight == pytest.approx(many.weight, rel=1e-4)


@pytest.mark.parametrize("layer", ["preactivation", "residual", "leaky", "highway"])
def test_every_layer_trains_finitely(layer):
    choice = {"layer": layer, "optimizer": "gradient_descent", "learning_rate": 1e-3}
    (record,) = run(Configuration(**SMALL | choice), [0])
    assert np.isfinite(record.curves["mean_weight"]).all()


def test_a_run_whose_weights_are_lost_ends_and_says_when():
    bold = Configuration(**SMALL | {"optimizer": "gradient_descent", "learning_rate": 1e30, "depth": 3})
    with pytest.raises(RunError, match=r"mean_weight became (nan|inf) in iteration 14"):
        run(bold, [0])


def test_the_batches_of_an_epoch_are_a_permutation():
    order = batches(Configuration(epochs=3), 120, generator(0))
    assert order.shape == (6, 50)
    for epoch in order.reshape(3, 100):
        assert len(set(epoch)) == 100


@pytest.mark.parametrize(
    ("choice", "field"),
    [
        ({"gate": 1.2}, "gate"),
        ({"gate": -0.1}, "gate"),
        ({"tau": 0}, "tau"),
        ({"tau": -1}, "tau"),
        ({"depth": 2}, "depth"),
        ({"layer": "dense"}, "layer"),
        ({"keep": 0}, "keep"),
    ],
)
def test_impossible_configurations_are_refused(choice, field):
    with pytest.raises(ValidationError, match=field):
        Configuration(**choice)

"""The experiment against its published definitions, and against the same network built layer by layer in Keras."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from pydantic import ValidationError

from gradbook.errors import InputError, RunError
from gradbook.experiments.gradnets import OPTIMIZERS, Configuration, batches, compiled, images, moments, run
from gradbook.gradnets import GradualIdentity, gradual_mlp
from gradbook.seeds import generator

SMALL = {"dataset": "digits", "depth": 5, "width": 12, "epochs": 2, "tau": 1, "log_every": 14}


def test_a_batch_is_measured_as_the_keras_model_measures_it():
    cell, digits = Configuration(**SMALL, gate=0.4), images("digits")
    rows, labels = digits.images[:50], digits.labels[:50]
    network = digits.network(cell)
    weights = network.initial_weights(cell.initializer, cell.bias, generator(0, "weights"))
    model = gradual_mlp(depth=5, width=12, inputs=64, gate=0.4)
    first, first_bias, hidden, hidden_biases, last, last_bias = weights
    model.layers[0].set_weights([first, first_bias])
    model.layers[-1].set_weights([last, last_bias])
    layers = [layer for layer in model.layers if isinstance(layer, GradualIdentity)]
    for layer, w, b in zip(layers, hidden, hidden_biases, strict=True):
        layer.kernel.assign(w)
        layer.bias.assign(b)
    with tf.GradientTape() as tape:
        probabilities = model(rows)
        likelihoods = tf.gather(probabilities, labels, batch_dims=1)
        loss = -tf.reduce_sum(tf.math.log(likelihoods + 1e-9))
    expected = [np.abs(g).mean() for g in tape.gradient(loss, [layer.kernel.value for layer in layers])]
    accuracy = np.mean(np.argmax(probabilities, 1) == labels)

    gate, found, weight, gradients = compiled(cell, network, 56).measure(weights, rows, labels, tf.constant(3))
    assert float(gate) == pytest.approx(0.4)
    assert float(found) == pytest.approx(accuracy)
    assert float(weight) == pytest.approx(np.abs(hidden).mean(), rel=1e-6)
    np.testing.assert_allclose(gradients, expected, rtol=1e-4)


def test_a_step_is_keras_adam_at_the_published_learning_rate():
    cell, digits = Configuration(**SMALL | {"keep": 1.0}), images("digits")
    network, order = digits.network(cell), batches(cell, len(digits.labels), generator(0, "batches"))[:3]
    weights = network.initial_weights(cell.initializer, cell.bias, generator(0, "weights"))
    bits = network.random_bits(3, cell.batch_size, generator(0).bit_generator)
    state = OPTIMIZERS["adam"].init(weights)
    arguments = digits.images, digits.labels, order, bits, tf.constant(0)
    ours, _ = compiled(cell, network, 56).advance(weights, state, *arguments)

    rate = keras.optimizers.schedules.ExponentialDecay(1e-3 * 0.8**0.01, decay_steps=1000, decay_rate=0.8)
    optimizer = keras.optimizers.Adam(rate, epsilon=1e-8)
    variables = [keras.Variable(w) for w in weights]
    for step, batch in enumerate(order):
        g = min(step / 56 * 2, 1.0)
        with tf.GradientTape() as tape:
            first, first_bias, hidden, biases, last, last_bias = (v.value for v in variables)
            x = tf.nn.relu(tf.gather(digits.images, batch) @ first + first_bias)
            for w, b in zip(tf.unstack(hidden), tf.unstack(biases), strict=True):
                x = g * tf.nn.relu(x @ w + b) + (1 - g) * x
            truth = tf.one_hot(tf.gather(digits.labels, batch), 10)
            loss = -tf.reduce_sum(truth * tf.math.log(tf.nn.softmax(x @ last + last_bias) + 1e-9))
            loss += 50 * tf.reduce_mean(tf.abs(hidden))
        optimizer.apply(tape.gradient(loss, [v.value for v in variables]), variables)
    for received, expected in zip(ours, variables, strict=True):
        np.testing.assert_allclose(received, expected, atol=2e-5)


def test_the_learning_rate_is_the_published_one():
    assert Configuration().learning_rate_after(0) == pytest.approx(0.0009977710522882824)
    assert Configuration().learning_rate_after(21_999) == pytest.approx(7.3638939204063224e-06)


def test_a_run_is_logged_from_the_start_at_gate_zero_without_gradient_and_repeats():
    (record,) = run(Configuration(**SMALL), [4])
    (again,) = run(Configuration(**SMALL), [4])
    assert record.curves == again.curves
    assert record.curves["iteration"] == [0, 14, 28, 42]
    np.testing.assert_allclose(record.curves["gate"], [0, 0.5, 1, 1], atol=1e-6)
    assert record.curves["mean_gradient"][0] == 0 < record.curves["mean_gradient"][1]
    assert record.metrics["test_accuracy"] == record.curves["test_accuracy"][-1]


def test_seeds_do_not_depend_on_their_company():
    alone, both = run(Configuration(**SMALL), [4]), run(Configuration(**SMALL), [3, 4])
    assert alone[0].curves == both[1].curves
    assert both[0].curves != both[1].curves


def test_what_one_call_advances_does_not_matter():
    def last(log_every):
        return list(moments(Configuration(**SMALL | {"log_every": log_every}), 0))[-1]

    few, many = last(42), last(14)
    assert few.iteration == many.iteration == 42
    assert few.mean_weight == pytest.approx(many.mean_weight, rel=1e-4)


@pytest.mark.parametrize("layer", ["grelu", "residual", "leaky", "highway"])
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


def test_images_of_ones_own_train_with_their_own_number_of_classes(tmp_path):
    draw = np.random.default_rng(0)
    x, y = draw.random((80, 4, 5, 1), np.float32), np.arange(80) % 3
    np.savez(tmp_path / "mine.npz", x_train=x[:60], y_train=y[:60], x_test=x[60:], y_test=y[60:])
    cell = Configuration(**SMALL | {"dataset": str(tmp_path / "mine.npz"), "batch_size": 20, "log_every": 3})
    assert images(cell.dataset).network(cell).classes == 3
    (record,) = run(cell, [0])
    assert record.curves["iteration"] == [0, 3]
    with pytest.raises(InputError, match=r"batch_size must be at most 60, .*; received 61"):
        run(cell.model_copy(update={"batch_size": 61}), [0])


def test_reviews_are_refused():
    with pytest.raises(InputError, match="'reviews-toy' holds no images"):
        run(Configuration(**SMALL | {"dataset": "reviews-toy"}), [0])


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

"""Messages that stand in for the propagated gradient: limits in which they are it, and what they leave alone."""

from itertools import pairwise

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from gradbook.errors import InputError
from gradbook.synthetic.without_backward import (
    ACTIVATIONS,
    Layer,
    alignment,
    apply,
    conserved,
    difference_targets,
    direct_feedback_alignment,
    feedback_alignment,
    goodness,
    goodness_message,
    gradients,
    normalize,
    prediction_message,
    similarities,
    similarity_message,
)

seeds = st.integers(0, 2**16)
activations = pytest.mark.parametrize("activation", ACTIVATIONS)
few = settings(max_examples=15, deadline=None)


def network(seed: int, sizes: tuple[int, ...] = (4, 6, 5, 3)) -> tuple[list[Layer], tf.Tensor, tf.Tensor]:
    """A network with random weights, and a batch of inputs and of one-hot labels for it, float64."""
    random = np.random.default_rng(seed)
    layers = [
        Layer(*(tf.constant(random.standard_normal(shape)) for shape in ((a, b), (b,)))) for a, b in pairwise(sizes)
    ]
    labels = np.eye(sizes[-1])[random.integers(0, sizes[-1], 7)]
    return layers, tf.constant(random.standard_normal((7, sizes[0]))), tf.constant(labels)


def messages(layers, x, activation, feedback, y):
    """What feedback alignment sends with these matrices, and what it starts from."""
    *hidden, logits = apply(layers, x, activation)
    slopes, error = [ACTIVATIONS[activation].slope(h) for h in hidden], tf.nn.softmax(logits) - y
    return feedback_alignment(feedback, slopes, error), hidden, slopes, error


def transposes(layers):
    return [tf.transpose(layer.kernel) for layer in layers[1:]]


@activations
@given(seeds)
@few
def test_with_transposed_weights_feedback_alignment_is_backpropagation(activation, seed):
    layers, x, y = network(seed)
    with tf.GradientTape() as tape:
        tape.watch(layers)
        logits = apply(layers, x, activation)[-1]
        loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(y, logits))
    expected = tape.gradient(loss, layers)
    sent, hidden, slopes, error = messages(layers, x, activation, transposes(layers), y)
    found = gradients([x, *hidden], [*(m * s for m, s in zip(sent, slopes, strict=True)), error])
    for one, other in zip(tf.nest.flatten(found), tf.nest.flatten(expected), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-12)


@given(seeds)
@few
def test_direct_feedback_with_the_product_of_the_weights_is_backpropagation_of_a_linear_network(seed):
    layers, x, y = network(seed)
    error = apply(layers, x)[-1] - y
    ones = [tf.ones((7, units), tf.float64) for units in (6, 5)]
    true = feedback_alignment(transposes(layers), ones, error)
    first, last = (tf.transpose(product) for product in (layers[1].kernel @ layers[2].kernel, layers[2].kernel))
    for one, other in zip(direct_feedback_alignment([first, last], error), true, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-12)


def test_from_weights_of_zero_direct_feedback_sends_something_and_backpropagation_nothing():
    layers, x, y = network(0)
    zero = tf.nest.map_structure(tf.zeros_like, layers)
    true, *_, error = messages(zero, x, "tanh", transposes(zero), y)
    assert all(np.all(message == 0) for message in true)
    assert all(np.any(message != 0) for message in direct_feedback_alignment([np.ones((3, 6))], error))


def descent(rate: float, steps: int, seed: int = 0, scale: float = 0.3):
    """Weights of a linear network x W V after steps of feedback alignment, before them, and its feedback matrix."""
    random = np.random.default_rng(seed)
    x, y = random.standard_normal((20, 4)), random.standard_normal((20, 3))
    kernel, readout = scale * random.standard_normal((4, 5)), scale * random.standard_normal((5, 3))
    feedback, before = random.standard_normal((3, 5)), (kernel, readout)
    for _ in range(steps):
        hidden = x @ kernel
        error = hidden @ readout - y
        sent = feedback_alignment([feedback], [np.ones_like(hidden)], error)
        first, last = gradients([x, hidden], [*sent, error])
        kernel, readout = kernel - rate * np.asarray(first.kernel), readout - rate * np.asarray(last.kernel)
    return (kernel, readout), before, feedback


def test_linear_feedback_alignment_conserves_a_matrix_as_steps_become_small():
    drifts = []
    for steps in (400, 4000):
        after, before, feedback = descent(4 / steps, steps)
        drifts.append(np.abs(conserved(*after, feedback) - conserved(*before, feedback)).max())
        assert np.abs(after[0] - before[0]).max() > 0.1
    assert drifts[1] < 0.15 * drifts[0] < 0.01


@given(seeds)
@few
def test_from_zero_the_readout_turns_towards_the_feedback_matrix(seed):
    (kernel, readout), _, feedback = descent(1e-3, 2000, seed, scale=0.0)
    assert np.sum(readout * feedback.T) > 0
    product = readout @ feedback
    square = kernel.T @ kernel
    np.testing.assert_allclose(product + product.T, square, atol=0.01 * np.abs(square).max())


@given(seeds)
@few
def test_local_messages_are_the_gradients_of_local_losses(seed):
    (*_, readout), h, y = network(seed, (4, 3))
    n = len(y)
    for loss, message in [
        (lambda h: tf.nn.softmax_cross_entropy_with_logits(y, h @ readout.kernel + readout.bias), prediction_message),
        (lambda h: n * tf.reduce_mean((similarities(h) - similarities(y)) ** 2), similarity_message),
        (lambda h: tf.nn.sigmoid_cross_entropy_with_logits(y[:, 0], goodness(h) - 2.5), goodness_message),
    ]:
        with tf.GradientTape() as tape:
            tape.watch(h)
            value = tf.reduce_sum(loss(h))
        found = {
            prediction_message: lambda: prediction_message(h, readout, y)[0],
            similarity_message: lambda: similarity_message(h, y),
            goodness_message: lambda: goodness_message(h, y[:, 0], 2.5),
        }[message]()
        np.testing.assert_allclose(found, tape.gradient(value, h), atol=1e-10)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_examples_whose_features_are_all_equal_are_like_none_and_receive_nothing(kind):
    features = np.array([[0.1] * 7, [0.7] * 7, [*range(7)], [3, 1, 4, 1, 5, 9, 2]], kind)
    assert np.all(np.asarray(similarities(features))[:2] == 0)
    assert np.abs(np.asarray(similarity_message(features, np.eye(4, dtype=kind)))[:2]).max() == 0


@pytest.mark.parametrize("classes", [2, 5, 10])
def test_labels_of_two_classes_are_as_unlike_as_the_mean_of_a_row_makes_them(classes):
    off = ~np.eye(classes, dtype=bool)
    np.testing.assert_allclose(similarities(np.eye(classes))[off], -1 / (classes - 1))
    assert np.all(similarities(np.ones((3, classes))) == 0)


@given(seeds, st.floats(0.1, 100))
@few
def test_normalising_forgets_the_scale(seed, scale):
    h = np.random.default_rng(seed).standard_normal((5, 8))
    np.testing.assert_allclose(normalize(scale * h), normalize(h), rtol=1e-5)
    np.testing.assert_allclose(goodness(normalize(h)), 8, rtol=1e-5)


@given(seeds)
@few
def test_targets_that_are_met_above_are_met_below_whatever_the_inverses(seed):
    random = np.random.default_rng(seed)
    hidden = [random.standard_normal((5, units)) for units in (3, 4, 6)]
    matrices = [random.standard_normal(shape) for shape in ((4, 3), (6, 4))]
    inverses = [lambda h, matrix=matrix: np.tanh(h @ matrix) for matrix in matrices]
    still = difference_targets(hidden, inverses, np.zeros((5, 6)), 0.3)
    for target, h in zip(still, hidden, strict=True):
        np.testing.assert_allclose(target, h)


@given(seeds)
@few
def test_an_exact_inverse_makes_targets_that_the_layer_takes_to_the_target_above(seed):
    random = np.random.default_rng(seed)
    weights, (below, message) = random.standard_normal((3, 3)), random.standard_normal((2, 5, 3))
    inverse = np.linalg.inv(weights)
    first, last = difference_targets([below, below @ weights], [lambda h: h @ inverse], message, 0.3)
    np.testing.assert_allclose(first @ weights, last, atol=1e-9 * np.abs(inverse).max())
    np.testing.assert_allclose((below - first) / 0.3, message @ inverse, atol=1e-9 * np.abs(inverse).max())


@given(seeds)
@few
def test_alignment_is_a_cosine(seed):
    u, v = np.random.default_rng(seed).standard_normal((2, 4, 3))
    expected = np.sum(u * v) / np.linalg.norm(u) / np.linalg.norm(v)
    np.testing.assert_allclose(
        [alignment(u, v), alignment(u, -3 * u), alignment(u, 0 * u)], [expected, -1, 0], atol=1e-6
    )
    for scale in (1e-25, 1e25):
        far = tf.constant(scale * u, tf.float32), tf.constant(v / scale, tf.float32)
        np.testing.assert_allclose(alignment(*far), expected, atol=1e-5)


def test_batches_may_be_of_unknown_size():
    layers, x, y = network(0)

    def computed(x, y):
        h = apply(layers, x)[0]
        return [*gradients([x], [h]), similarity_message(h, y)]

    unknown = tf.function(computed, input_signature=[tf.TensorSpec([None, n], tf.float64) for n in (4, 3)])
    for found, expected in zip(tf.nest.flatten(unknown(x, y)), tf.nest.flatten(computed(x, y)), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_what_does_not_fit_is_refused():
    with pytest.raises(InputError, match="unknown activation 'tan'; did you mean 'tanh'"):
        apply([], np.ones((1, 1)), "tan")
    with pytest.raises(InputError, match="one matrix for each hidden layer; received 1 for 2"):
        feedback_alignment([np.ones((1, 1))], [np.ones((1, 1))] * 2, np.ones((1, 1)))
    with pytest.raises(InputError, match=r"step must be above 0; received 0"):
        difference_targets([np.ones((1, 1))], [], np.ones((1, 1)), 0)
    with pytest.raises(InputError, match="one fewer than hidden layers; received 1 for 1 layers"):
        difference_targets([np.ones((1, 1))], [np.tanh], np.ones((1, 1)), 1.0)

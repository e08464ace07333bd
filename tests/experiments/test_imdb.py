"""The step against a plain NumPy reference, the sparse first layer against a dense one, and training as a whole."""

from collections import Counter

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.sparse import csr_matrix

from gradbook.auxiliary import RULES
from gradbook.auxiliary.bag_of_words import bag
from gradbook.errors import InputError, RunError
from gradbook.experiments.imdb import (
    STUDY,
    Classifier,
    Configuration,
    Examples,
    Training,
    edges,
    examples,
    run,
    shuffled,
)
from gradbook.seeds import generator

WORDS = 300  # so that some words are frequent and some are not


@pytest.fixture
def rows():
    """64 multi-hot rows, one of them empty."""
    dense = np.random.default_rng(0).random((64, WORDS)) < 0.1
    dense[5] = False
    return csr_matrix(dense.astype(np.float32))


def small(rule, **choices) -> Configuration:
    return Configuration(words=WORDS, hidden_units=4, rule=rule, **choices)


def whole(parts):
    return np.concatenate([np.asarray(part, np.float64) for part in parts])


def gradients(weights, x, y):
    """Of the mean cross-entropy, in float64, from dense rows."""
    w1, b1, w2, b2, w3, b3 = weights
    h1 = np.maximum(x @ w1 + b1, 0)
    h2 = np.maximum(h1 @ w2 + b2, 0)
    d3 = (1 / (1 + np.exp(-(h2 @ w3 + b3))) - y[:, None]) / len(y)
    d2 = (d3 @ w3.T) * (h2 > 0)
    d1 = (d2 @ w2.T) * (h1 > 0)
    return [x.T @ d1, d1.sum(0), h1.T @ d2, d2.sum(0), h2.T @ d3, d3.sum(0)]


def kept(u, v, rule):
    """The rules as the paper's code states them, for one variable."""
    uv, uu, vv = (u * v).sum(), (u * u).sum(), (v * v).sum()
    if rule == "single_task":
        return 0 * u
    if rule == "multitask" or uu == 0 or vv == 0:
        return u
    return {
        "unweighted_cosine": u if uv > 0 else 0 * u,
        "weighted_cosine": max(uv, 0) * u / np.sqrt(uu * vv),
        "projection": u - min(uv, 0) * v / vv,
        "orthogonal": u - uv * v / vv,
        "parameterwise": u * (np.sign(u * v) + 1) / 2,
    }[rule]


def reference(weights, batches, c):
    """Adam, then the decoupled step with kept(θ before, v), as NumPy writes it."""
    weights = [w.copy() for w in weights]
    mean, square, average = ([np.zeros_like(w) for w in weights] for _ in range(3))
    for t, (x, y) in enumerate(batches, start=1):
        before = [w.copy() for w in weights]
        for i, g in enumerate(gradients(weights, x, y)):
            mean[i] = 0.9 * mean[i] + 0.1 * g
            square[i] = 0.999 * square[i] + 0.001 * g**2
            average[i] = c.alpha * g + (1 - c.alpha) * average[i]
            unbiased = np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
            adam = before[i] - c.learning_rate * unbiased * mean[i] / (np.sqrt(square[i]) + 1e-7)
            weights[i] = adam - c.learning_rate * c.weight * kept(before[i], average[i], c.rule)
    return weights


@pytest.mark.parametrize("alpha", [1.0, 0.3])
@pytest.mark.parametrize("rule", RULES)
def test_steps_are_those_of_the_reference(rule, alpha, rows):
    c = small(rule, alpha=alpha, weight=30, learning_rate=0.01)
    training = Training(c, WORDS)
    training.start(3)
    start = [whole(parts) for parts in training.classifier.variables]
    labels = (np.arange(64) % 3 == 0).astype(np.float32)
    batches = [(rows[i : i + 25], labels[i : i + 25]) for i in (0, 25, 50, 0)]
    for x, y in batches:
        training.step(bag(x), tf.constant(y))
    expected = reference(start, [(x.toarray().astype(float), y) for x, y in batches], c)
    for parts, array in zip(training.classifier.variables, expected, strict=True):
        np.testing.assert_allclose(whole(parts), array, rtol=2e-4, atol=2e-6)


def test_gathered_words_give_the_loss_and_gradients_of_dense_rows(rows):
    classifier = Classifier(WORDS, 4)
    labels = tf.constant((np.arange(64) % 2).astype(np.float32))
    kernel = tf.Variable(tf.concat(classifier.variables[0], 0))
    _, (b1,), (w2,), (b2,), (w3,), (b3,) = classifier.variables
    with tf.GradientTape() as sparse:
        loss = classifier.loss(bag(rows), labels)
    with tf.GradientTape() as dense:
        hidden = tf.nn.relu(tf.nn.relu(rows.toarray() @ kernel + b1) @ w2 + b2)
        logits = tf.squeeze(hidden @ w3 + b3, -1)
        dense_loss = tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(labels, logits))
    np.testing.assert_allclose(loss, dense_loss, rtol=1e-6)
    np.testing.assert_allclose(
        whole(sparse.gradient(loss, classifier.variables)[0]), dense.gradient(dense_loss, kernel), rtol=1e-4, atol=1e-6
    )


def test_the_published_network_has_5_383_681_parameters():
    assert sum(part.shape.num_elements() for parts in Classifier(10_000, 512).variables for part in parts) == 5_383_681


TOY = {"words": 400, "hidden_units": 16, "weight": 30, "learning_rate": 0.01, "batch_size": 500, "patience": 2}


def test_training_stops_early_and_tests_the_best_weights():
    c = Configuration(**TOY)
    (record,) = run(c, [4])
    validation, best = record.curves["validation_loss"], int(record.metrics["best_epoch"])
    assert best == np.argmin(validation) + 1 == record.metrics["epochs_trained"] - c.patience
    assert record.metrics["validation_loss"] == min(validation)
    assert {len(curve) for curve in record.curves.values()} == {best + c.patience}

    fit, _, test, identity = examples("reviews-toy", c.words)
    training, shuffles = Training(c, c.words), generator(4, "batches")
    training.start(4)
    for _ in range(best):
        training.epoch(fit, shuffled(len(fit), c.shuffle_buffer, shuffles), c.batch_size)
    assert record.metrics["test_loss"] == training.evaluate(test)
    assert record.metrics["test_loss"] < np.log(2)
    assert record.data == identity


def test_equal_seeds_give_equal_bits_alone_and_after_others():
    c = Configuration(rule="weighted_cosine", **TOY)
    _, after = run(c, [1, 2])
    (alone,) = run(c, [2])
    assert (after.metrics, after.curves) == (alone.metrics, alone.curves)


def test_rules_start_from_the_same_weights_and_see_the_same_batches():
    first = {
        rule: run(Configuration(rule=rule, **TOY | {"weight": 0}), [3])[0].metrics
        for rule in ("multitask", "orthogonal")
    }
    assert first["multitask"] == pytest.approx(first["orthogonal"], rel=1e-4)


def test_an_epoch_sees_every_review_once_and_the_last_batch_is_short(rows):
    labelled = Examples(rows, np.arange(64, dtype=np.float32))
    batches = [labels.numpy() for _, labels in labelled.batches(np.random.default_rng(0).permutation(64), 25)]
    assert [len(batch) for batch in batches] == [25, 25, 14]
    assert sorted(np.concatenate(batches)) == list(range(64))


@given(st.integers(1, 60), st.integers(1, 80), st.integers(0, 9))
def test_a_buffer_shuffles_but_reaches_only_so_far_ahead(count, buffer, seed):
    order = shuffled(count, buffer, np.random.default_rng(seed))
    assert sorted(order) == list(range(count))
    assert (order < np.arange(count) + buffer).all()


def test_a_buffer_for_all_gives_every_order_alike():
    random, draws = np.random.default_rng(0), 6000
    counts = Counter(tuple(shuffled(3, 3, random)) for _ in range(draws))
    assert len(counts) == 6
    assert all(abs(count - draws / 6) < 5 * np.sqrt(draws / 6) for count in counts.values())


def test_the_split_is_a_fifth_and_disjoint():
    fit, validation, test, _ = examples("reviews-toy", 10_000)
    assert (len(fit), len(validation), len(test)) == (1600, 400, 2000)
    assert fit.rows.shape[1] == validation.rows.shape[1] == test.rows.shape[1] <= 2000


def test_what_cannot_be_trained_is_refused():
    with pytest.raises(InputError, match="'digits' does not hold reviews"):
        run(Configuration(dataset="digits"), [0])
    for field, value in {"rule": "projektion", "alpha": 0, "weight": -1, "words": 3, "patience": 0}.items():
        with pytest.raises(ValidationError, match=field):
            Configuration(**{field: value})
    with pytest.raises(RunError, match="validation_loss became"):
        run(Configuration(**TOY | {"learning_rate": 1e30}), [0])


def test_a_batch_larger_than_the_training_set_is_refused_where_it_would_be_dropped():
    fit, *_ = examples("reviews-toy", 10_000)
    with pytest.raises(InputError, match=r"batch_size must be at most 1600, .* received 1601"):
        run(Configuration(**TOY | {"batch_size": len(fit) + 1}, last_batch="drop"), [0])
    for last_batch, size in {"drop": len(fit), "keep": len(fit) + 1, "merge": len(fit) + 1}.items():
        (record,) = run(Configuration(**TOY | {"batch_size": size, "patience": 1}, last_batch=last_batch), [0])
        assert np.isfinite(record.metrics["test_loss"])


def test_the_study_has_the_published_cells_fifty_seeds_in_those_compared_and_two_arms_without_a_small_batch():
    published = STUDY.select(last_batch="keep", shuffle_buffer=1000, scope="variable").planned
    assert Counter(len(seeds) for seeds in published.values()) == {50: 10, 10: 45}
    assert Counter((cell.last_batch, cell.scope) for cell in STUDY.planned) == {
        ("keep", "variable"): 58,
        ("keep", "global"): 4,
        ("drop", "variable"): 6,
        ("merge", "variable"): 6,
    }


@given(count=st.integers(1, 50), size=st.integers(1, 20))
def test_batches_hold_every_review_once_but_for_those_that_are_dropped(count, size):
    for last_batch in ("keep", "merge", "drop"):
        sizes = np.diff(edges(count, size, last_batch))
        assert sizes.sum() == (count // size * size if last_batch == "drop" else count)
        assert all(sizes[:-1] == size)
        assert last_batch != "merge" or count < size or sizes[-1] >= size

"""The experiment that teaches hidden layers without the backward pass."""

import numpy as np
import pytest
import tensorflow as tf

from gradbook.errors import InputError, RunError
from gradbook.experiments.without_backward import EXPERIMENT, METHODS, STUDY, Configuration, initial, step
from gradbook.synthetic.without_backward import Layer

SMALL = {"dataset": "digits", "width": 8, "batch_size": 16, "steps": 12}
ALONE = {"last layer", "synthetic gradients", "prediction loss", "similarity loss", "forward-forward"}
"""The methods in which a layer's update needs no layer further up than the next one's answer to it."""


def one_step(cell, change=None):
    """Gradients, loss and cosines of a first step on random images, after the network was changed."""
    random = np.random.default_rng(0)
    x, y = random.standard_normal((16, 5)).astype("float32"), np.eye(3, dtype="float32")[np.arange(16) % 3]
    learner, feedback = tf.nest.map_structure(tf.constant, initial(cell, 5, 3, 0))
    if change:
        change(learner.network)
    return step(cell, learner, feedback, *(tf.constant(part) for part in (x, y, np.roll(y, 1, 1))), tf.constant([0, 0]))


def disturb(network):
    network[-1] = Layer(network[-1].kernel + 1.0, network[-1].bias - 1.0)


@pytest.mark.parametrize("method", METHODS)
def test_no_gradient_crosses_a_block_where_the_method_says_so(method):
    """With another readout, the layers below learn the same, or they do not."""
    cell = Configuration(method=method, depth=3, width=8)
    (before, *_), (after, *_) = one_step(cell), one_step(cell, disturb)
    same = [
        all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
        for one, other in zip(before.network[:3], after.network[:3], strict=True)
    ]
    assert all(same) if method in ALONE else not any(same)


@pytest.mark.parametrize("method", [name for name in METHODS if name != "forward-forward"])
def test_the_readout_learns_from_its_own_error_whatever_teaches_the_layers_below(method):
    gradients, loss, cosines = one_step(Configuration(method=method, width=8))
    true, same_loss, ones = one_step(Configuration(width=8))
    np.testing.assert_allclose(gradients.network[-1].kernel, true.network[-1].kernel, atol=1e-6)
    np.testing.assert_allclose([loss, *ones], [same_loss, 1, 1, 1], atol=1e-6)
    assert len(cosines) == 3
    if method == "target propagation":
        np.testing.assert_allclose(cosines[-1], 1, atol=1e-5)


@pytest.mark.parametrize("method", ["target propagation", "forward-forward"])
def test_a_run_measures_every_seed(method):
    records = EXPERIMENT.run(Configuration(**SMALL, method=method), [0, 1])
    assert all("digits" in record.data for record in records) and records[0].metrics != records[1].metrics
    assert set(records[0].metrics) == {"test_accuracy", "train_loss"}
    cosines = {"cosine_1", "cosine_2", "cosine_3"} if method != "forward-forward" else set()
    assert set(records[0].curves) == {"step", "test_accuracy", "train_loss"} | cosines
    assert records[0].curves["step"][-1] == 12


def test_a_run_whose_loss_is_lost_is_named():
    with pytest.raises(RunError, match=r"train_loss became (nan|inf) in step"):
        EXPERIMENT.run(Configuration(**SMALL, depth=1, learning_rate=1e38), [0])


def test_reviews_are_refused():
    with pytest.raises(InputError, match="'reviews-toy' holds no images"):
        EXPERIMENT.run(Configuration(dataset="reviews-toy"), [0])


def test_the_study_has_five_seeds_a_cell_and_every_method():
    assert set(STUDY.planned.values()) == {tuple(range(5))}
    assert {cell.method for cell in STUDY.planned} == set(METHODS)

"""Training many runs: the compiled path and the plain one are one path, and runs do not touch each other."""

import numpy as np
import pytest
import tensorflow as tf
from synthetic_helpers import chain, network, steps

from gradbook.errors import InputError
from gradbook.optimizers import GradientDescent
from gradbook.seeds import generator
from gradbook.synthetic import linear
from gradbook.synthetic.chain import cross_entropy, cut
from gradbook.synthetic.settings import Settings, modes
from gradbook.synthetic.similarity import correlation, similarity_matrix
from gradbook.synthetic.training import Data, train, update_masks
from gradbook.training import order


@pytest.mark.parametrize("in_turn", [False, True])
def test_the_compiled_loop_does_what_steps_do_one_by_one(data, in_turn):
    """Plain descent: Adam would turn the rounding of gradients that are zero, as before a normalisation, into steps."""
    settings = Settings(update_probability=0.6, mixing=0.25, warm_up=2, learning_rate=0.1, in_turn=in_turn)

    def build():
        return chain(3, optimizer=GradientDescent())

    (run,) = train(build, data, {"it": settings}, seeds=[4], steps=6, batch_size=15, every=3)
    batches = [
        (tf.constant(data.x_train[i]), tf.constant(data.y_train[i]))
        for i in order(60, (6, 15), generator(4, "batches"))
    ]
    expected = steps(build(), batches, settings, update_masks(4, 0.6, (6, 4)))
    for mine, theirs in zip(run.chain.state()[:2], expected[:2], strict=True):
        for one, other in zip(mine, theirs, strict=True):
            for a, b in zip([*one.weights, *one.statistics], [*other.weights, *other.statistics], strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_runs_side_by_side_are_the_runs_alone(data):
    options = {"steps": 8, "batch_size": 15, "every": 4}
    together = train(shallow, data, modes(), seeds=[0, 1], **options)
    (alone,) = train(shallow, data, {"cDNI": modes()["cDNI"]}, seeds=[1], **options)
    (same,) = [run for run in together if (run.name, run.seed) == ("cDNI", 1)]
    assert same.curves == alone.curves
    assert len({str(run.curves) for run in together}) == 10


def chain_of_seed():
    return cut(network(), ["relu_1", "relu_2", "relu_3"], loss=cross_entropy, context=3)


def shallow():
    return cut(network(depth=1), ["relu_1"], loss=cross_entropy, context=3)


def test_updates_are_drawn_with_their_probability_block_by_block():
    masks = update_masks(0, 0.2, (10_000, 4))
    assert np.all(np.abs(masks.mean(axis=0) - 0.2) < 4 * np.sqrt(0.2 * 0.8 / 10_000))
    assert np.abs(np.corrcoef(masks.T)[np.triu_indices(4, 1)]).max() < 4 / np.sqrt(10_000)
    assert update_masks(0, 1.0, (10, 4)).all()


def test_training_learns_and_logs(data):
    runs = train(chain_of_seed, data, modes(learning_rate=1e-2), seeds=[0], steps=300, batch_size=15, every=100)
    curves = {run.name: run.curves for run in runs}
    assert {tuple(one["step"]) for one in curves.values()} == {(100.0, 200.0, 300.0)}
    assert curves["backpropagation"]["test_accuracy"][-1] > 0.9 and curves["cDNI"]["test_accuracy"][-1] > 0.9
    assert curves["no backpropagation"]["cosine_1"] == [0.0] * 3
    assert all(curves["cDNI"][f"cosine_{k}"][0] > 0.05 for k in (1, 2, 3))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, "steps must be at least 1; received 0"),
        ({"batch_size": 61}, "batch_size must be at least 1 and at most 60; received 61"),
        ({"every": -1}, "every must be at least 1; received -1"),
        ({"settings": {}}, "settings must be one or more; received none"),
        ({"seeds": []}, "seeds must be one or more; received none"),
    ],
)
def test_numbers_out_of_range_are_refused(data, options, message):
    usual = {"settings": modes(), "seeds": [0], "steps": 2, "batch_size": 5}
    with pytest.raises(InputError, match=message):
        train(chain_of_seed, data, **usual | options)


@pytest.mark.parametrize("targets", ["y_train", "y_test"])
def test_targets_that_are_not_as_many_as_inputs_are_refused(data, targets):
    fewer = data._replace(**{targets: getattr(data, targets)[:10]})
    with pytest.raises(InputError, match=r"targets must be as many as inputs; received 10 for [36]0"):
        train(chain_of_seed, fewer, modes(), seeds=[0], steps=2, batch_size=5)


def test_choices_out_of_range_are_refused_in_one_sentence():
    with pytest.raises(InputError, match=r"^learning_rate: input should be .*; received -1\.$"):
        modes(learning_rate=-1)


def test_a_context_of_another_width_than_the_targets_is_refused(data):
    with pytest.raises(InputError, match="context must have the width of the targets, 3; received 4 after 'relu_1'"):
        train(lambda: chain(context=4), data, modes(), seeds=[0], steps=1, batch_size=5)


def test_similarity_matrices_do_not_depend_on_order_scale_or_offset():
    random = np.random.default_rng(0)
    features = random.standard_normal([12, 6])
    matrix = similarity_matrix(features)
    np.testing.assert_allclose(matrix, similarity_matrix(3 * features[:, random.permutation(6)] + 2))
    assert correlation(matrix, matrix) == pytest.approx(1.0)
    assert abs(correlation(matrix, similarity_matrix(random.standard_normal([12, 6])))) < 0.5
    assert (similarity_matrix(np.ones([3, 2])) == np.eye(3)).all()


@pytest.mark.parametrize("size", range(1, 10))
def test_equal_features_and_equal_pairs_have_no_correlation_not_even_by_rounding(size):
    features = np.array([[0.1] * 3, [0.7] * 3, [1.0, 2.0, 3.0]])
    assert (similarity_matrix(features) == np.eye(3)).all()
    other = similarity_matrix(np.random.default_rng(size).normal(size=(size, 4)))
    assert correlation(similarity_matrix(np.eye(size)), other) == 0


def test_regression_reports_no_accuracy(data):
    targets = data.x_train[:, :2]
    regression = Data(data.x_train, targets, data.x_train, targets)
    (run,) = train(lambda: linear.deep_linear([5, 4, 2]), regression, {"DNI": Settings()}, seeds=[0], steps=2)
    assert "test_loss" in run.curves and "test_accuracy" not in run.curves


def test_one_network_for_all_seeds_is_refused(data):
    one = shallow()
    with pytest.raises(InputError, match="build must make a new network at each call"):
        train(lambda: one, data, {"DNI": Settings()}, seeds=[0, 1], steps=1)


def test_labels_as_integers_are_refused(data):
    integers = data._replace(y_train=data.y_train.argmax(1), y_test=data.y_test.argmax(1))
    with pytest.raises(InputError, match=r"targets must be vectors.*received \(60,\)"):
        train(shallow, integers, {"DNI": Settings()}, seeds=[0], steps=1)

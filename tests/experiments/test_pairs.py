"""Pairs of classes: tasks that share no test image, the published network, and a separate trunk."""

import math

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers
from keras.models import clone_model
from pydantic import ValidationError

from gradbook.auxiliary import two_headed
from gradbook.auxiliary.networks import residual, small
from gradbook.auxiliary.resnet import ToOnePixel
from gradbook.data import load
from gradbook.errors import InputError
from gradbook.experiments.pairs import EXPERIMENT, STUDY, Configuration, images, run, summary, tasks
from gradbook.seeds import set_seed

SHORT = {"epochs": 2, "steps_per_epoch": 10}
LABELS = np.repeat(np.arange(5), 20)


@given(st.integers(0, 4), st.integers(0, 4), st.integers(0, 2**32 - 1))
@settings(max_examples=30)
def test_tasks_are_balanced_and_nothing_tested_was_trained_on(main, auxiliary, seed):
    divided = tasks(LABELS, main, auxiliary, seed)
    for name, chosen, count in (("main", main, 16), ("auxiliary", auxiliary, 16), ("test", main, 4)):
        indices, truth = divided[name]
        assert (LABELS[indices] == chosen).tolist() == truth.astype(bool).tolist()
        assert truth.sum() == count == len(truth) - count
        assert len(set(indices)) == len(indices)
        assert not np.isin(LABELS[indices[truth == 0]], (main, auxiliary)).any()
    trained = {*divided["main"][0], *divided["auxiliary"][0]}
    assert trained.isdisjoint(divided["test"][0])


def test_of_one_class_twice_the_tasks_share_its_images_and_no_others():
    divided = tasks(LABELS, 2, 2, seed=0)
    (main, truth), (auxiliary, _) = divided["main"], divided["auxiliary"]
    assert set(main[truth == 1]) == set(auxiliary[truth == 1])
    assert set(main[truth == 0]) != set(auxiliary[truth == 0])


def test_too_few_other_images_are_refused():
    with pytest.raises(InputError, match="'main' needs 80 images of other classes; there are 16"):
        tasks(np.repeat([0, 1], [100, 20]), 0, 0, seed=0)


@pytest.fixture(scope="module")
def resnet():
    set_seed(0)
    return residual((64, 64, 3))


def test_the_large_network_has_the_published_number_of_parameters(resnet):
    parts = resnet.trunk, resnet.main
    assert sum(part.count_params() for part in parts) == 11_196_354
    assert sum(math.prod(w.shape) for part in parts for w in part.trainable_variables) == 11_186_626
    assert sum(math.prod(w.shape) for w in resnet.trunk.trainable_variables if w.name == "unreached") == 6_946_816


@pytest.mark.parametrize(("size", "strides"), [(1, 1), (2, 2), (1, 2)])
def test_a_convolution_onto_one_pixel_is_the_convolution(size, strides):
    random = np.random.default_rng(0)
    pixels = random.normal(size=(3, size, size, 4)).astype(np.float32)
    ours, plain = ToOnePixel(5, 3), layers.Conv2D(5, 3, strides, padding="same")
    ours(pixels), plain(pixels)
    plain.set_weights([ours.kernel, ours.bias])
    np.testing.assert_allclose(ours(pixels), plain(pixels), rtol=1e-4, atol=1e-4)


def test_the_large_trunk_can_be_copied(resnet):
    copy = clone_model(resnet.trunk)
    copy.set_weights(resnet.trunk.get_weights())
    image = np.random.default_rng(0).random((1, 64, 64, 3), np.float32)
    np.testing.assert_array_equal(copy(image), resnet.trunk(image))


def test_with_one_image_a_batch_normalisation_by_the_batch_sees_nothing(resnet):
    a, b = np.random.default_rng(0).random((2, 1, 64, 64, 3), np.float32)
    assert not np.allclose(resnet.trunk(a), resnet.trunk(b))
    np.testing.assert_array_equal(*(resnet.trunk(image, training=True) for image in (a, b)))


@pytest.fixture(scope="module")
def gated():
    return run(Configuration(**SHORT), [0, 1])


def test_equal_seeds_give_equal_numbers_and_others_do_not(gated):
    again = run(Configuration(**SHORT), [1])
    assert again[0].curves == gated[1].curves != gated[0].curves


def test_records_hold_a_number_an_epoch(gated):
    for record in gated:
        assert set(record.metrics) == set(record.curves)
        assert {len(curve) for curve in record.curves.values()} == {2}
        assert record.metrics["test_accuracy"] == record.curves["test_accuracy"][-1]
        assert record.metrics["cosine"] == pytest.approx(np.mean(record.curves["cosine"]))
        assert record.data == load("digits").identity


def test_what_was_published_as_a_cosine_is_a_product_cut_off():
    measured = summary(*np.array([[0.5, -0.5, 0.001], [2, 2, 2], [3, 3, 3]]))
    assert measured["clipped_product"] == pytest.approx((1 - 1 + 0.006) / 3)
    assert measured["cosine"] == pytest.approx(0.001 / 3)
    assert measured["agreement"] == pytest.approx(2 / 3)


def test_a_separate_trunk_goes_along_in_agreement_and_its_own_way_in_conflict():
    set_seed(0)
    model, separate = small((8, 8, 1)), small((8, 8, 1)).trunk
    separate.set_weights(model.trunk.get_weights())
    examples = tf.random.stateless_uniform((2, 8, 8, 1), (0, 1)), tf.constant([0, 1])
    options = {"weight": 1.0, "learning_rate": 0.1}
    model.auxiliary.set_weights(model.main.get_weights())
    same = two_headed.descend_separate_trunks(model, separate, examples, examples, **options)
    assert float(same[0]) == pytest.approx(1)
    for mine, its in zip(model.trunk.get_weights(), separate.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, its)

    before = model.trunk.get_weights()
    opposite = examples[0], 1 - examples[1]
    v, _ = two_headed.gradients(model.trunk, model.main, examples)
    u, _ = two_headed.gradients(separate, model.auxiliary, opposite)
    assert two_headed.descend_separate_trunks(model, separate, examples, opposite, **options)[0] < 0
    for trunk, gradient in ((model.trunk, v), (separate, u)):
        for now, then, change in zip(trunk.get_weights(), before, gradient, strict=True):
            np.testing.assert_allclose(now, then - 0.1 * change, atol=1e-6)


def test_separate_and_shared_trunks_are_the_same_run_until_the_first_conflict():
    one_step = {"epochs": 1, "steps_per_epoch": 1}
    shared, separate = (
        run(Configuration(auxiliary_trunk=trunk, **one_step), [0])[0] for trunk in ("shared", "separate")
    )
    assert separate.curves["cosine"] == pytest.approx(shared.curves["cosine"], rel=1e-4)
    assert separate.curves["test_loss"] == pytest.approx(shared.curves["test_loss"], rel=1e-4)


@pytest.mark.parametrize(
    ("choice", "complaint"),
    [
        ({"main_class": "12"}, "12"),
        ({"dataset": "reviews-toy"}, "'reviews-toy' holds no images"),
        ({"dataset": "digts"}, "did you mean 'digits'"),
    ],
)
def test_data_that_cannot_serve_are_refused(choice, complaint):
    with pytest.raises(InputError, match=complaint):
        run(Configuration(**SHORT, **choice), [0])


@pytest.mark.parametrize(
    "choice",
    (
        {"rule": "projektion"},
        {"epochs": 0},
        {"network": "resnet"},
        {"auxiliary_trunk": "separate", "rule": "multitask"},
    ),
)
def test_impossible_configurations_are_refused(choice):
    with pytest.raises(ValidationError):
        Configuration(**choice)


def test_classes_may_be_given_as_numbers_and_sets_are_pooled():
    assert Configuration(main_class=3).main_class == "3"
    assert len(images("digits")[0]) == 1797


def test_the_experiment_is_what_studies_sweep():
    assert EXPERIMENT.name == "pairs"
    assert EXPERIMENT.configuration() == Configuration()
    assert STUDY.experiment is EXPERIMENT
    assert len(STUDY.runs) == 45

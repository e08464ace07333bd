"""Two digits in one image: how they are laid, and what training on them promises."""

import numpy as np
import pytest
import tensorflow as tf
from pydantic import ValidationError

from gradbook.auxiliary import censor
from gradbook.experiments import cautious_decay, many_tasks
from gradbook.experiments.many_tasks import Configuration, overlaid, pairs


def test_the_larger_grey_level_wins_where_images_overlap():
    left, right = np.random.default_rng(0).random((2, 3, 28, 28))
    both = overlaid(left, right)
    assert both.shape == (3, 34, 34)
    assert (both[:, :6, :28] == left[:, :6]).all()
    assert (both[:, 28:, 6:] == right[:, 22:]).all()
    assert (both[:, 6:28, 6:28] == np.maximum(left[:, 6:, 6:], right[:, :22, :22])).all()


def test_parts_share_no_image_and_each_comes_once_on_either_side():
    data = pairs("digits")
    assert sum(map(len, data.images.values())) == 1797
    for labels in data.labels.values():
        assert (np.sort(labels[:, 0]) == np.sort(labels[:, 1])).all()


@pytest.mark.parametrize(("factors", "moves"), [((1, 0), [True, True, False]), ((0, 1), [True, False, True])])
def test_one_task_alone_leaves_the_other_head_as_it_was(factors, moves):
    data = pairs("digits")
    before = many_tasks.initial(0, data.images["train"].shape[1], data.classes)
    epoch, start = many_tasks.program("sum", (), many_tasks.RANDOM)
    (after, *_), _ = epoch(
        start([tf.constant(array) for array in before]),
        (tf.constant(data.images["train"]), tf.constant(data.labels["train"])),
        tf.constant([[0, 1, 2], [3, 4, 5]]),
        tf.constant(factors, tf.float32),
        tf.constant(1e-3),
    )
    changed = [bool((one != other).any()) for one, other in zip(before, map(np.array, after), strict=True)]
    trunk, heads = changed[: many_tasks.TRUNK], changed[many_tasks.TRUNK :]
    assert [any(trunk), any(heads[:2]), any(heads[2:])] == moves


def test_the_scale_counts_for_the_right_task():
    one, other = (
        many_tasks.run(Configuration(scale=scale, epochs=2, learning_rate=1e-3), [0])[0].metrics for scale in (1, 0.01)
    )
    assert other["right_test_loss"] > one["right_test_loss"]


def test_under_adam_the_mean_is_the_sum():
    one, other = (many_tasks.run(Configuration(method=how, epochs=2), [1])[0].metrics for how in ("sum", "mean"))
    assert one["test_loss"] == pytest.approx(other["test_loss"], rel=1e-3)


def test_an_unknown_method_is_named():
    with pytest.raises(ValidationError, match="did you mean 'cagrad'"):
        Configuration(method="cagard")
    with pytest.raises(ValidationError, match="did you mean 'cautious'"):
        cautious_decay.Configuration(decay="caution")
    assert cautious_decay.Configuration(decay="projection").decay == "projection"


def test_a_censored_decay_is_what_the_rule_keeps_beside_the_average_gradient():
    random = np.random.default_rng(0)
    x, y = tf.constant(random.random((4, 5), np.float32)), tf.constant([0, 1, 2, 1])
    initial = [tf.constant(array) for array in cautious_decay.initial(0, 5, 3)]
    after = {}
    for weight in (0.0, 2.0):
        epoch, measured, start = cautious_decay.program("projection", weight, 0.25)
        after[weight] = epoch(start(initial), x, y, tf.constant([range(4)]), tf.constant(0.01))[0]
    with tf.GradientTape() as tape:
        tape.watch(initial)
        loss = measured(initial, x, y)[0]
    average = [0.25 * gradient for gradient in tape.gradient(loss, initial)]
    kept = censor(initial, average, "projection", scope="variable")
    for plain, decayed, part in zip(after[0.0], after[2.0], kept, strict=True):
        np.testing.assert_allclose(decayed, plain - 0.01 * 2 * part, atol=1e-6)


def test_without_weight_all_decays_are_none():
    found = [
        cautious_decay.run(cautious_decay.Configuration(decay=decay, epochs=2), [0])[0].metrics["test_loss"]
        for decay in ("decoupled", "cautious", "projection")
    ]
    assert found == pytest.approx([found[0]] * 3, rel=1e-5)

"""Censored weight decay is Adam beside a decay that a rule censors, whatever parts a variable is held in."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from gradbook.auxiliary import RULES
from gradbook.auxiliary.decay import CensoredDecay
from gradbook.errors import InputError


def test_single_task_is_keras_adam_and_multitask_its_decoupled_decay():
    random = np.random.default_rng(1)
    start, steps = random.normal(size=(5, 3)).astype(np.float32), random.normal(size=(6, 5, 3)).astype(np.float32)
    peers = {
        "single_task": keras.optimizers.Adam(0.02),
        "multitask": keras.optimizers.AdamW(0.02, weight_decay=3.0),
    }
    for rule, peer in peers.items():
        ours, theirs = tf.Variable(start), keras.Variable(start)
        decay = CensoredDecay([[ours]], rule, weight=3.0, alpha=1.0, learning_rate=0.02)
        apply = tf.function(decay.step)
        for gradient in steps:
            apply([[tf.constant(gradient)]])
            peer.apply([gradient], [theirs])
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-5, atol=1e-7)


def test_a_variable_in_parts_is_compared_as_a_whole():
    random = np.random.default_rng(2)
    start, gradient = random.normal(size=(2, 7, 3)).astype(np.float32)
    one, *two = tf.Variable(start), tf.Variable(start[:2]), tf.Variable(start[2:])
    for parts, slices in ([one], [gradient]), (two, [gradient[:2], gradient[2:]]):
        decay = CensoredDecay([parts], "orthogonal", weight=2.0, alpha=0.5, learning_rate=0.1)
        tf.function(decay.step)([[tf.constant(g) for g in slices]])
    np.testing.assert_allclose(np.concatenate(two), one.numpy(), rtol=1e-5, atol=1e-6)


def test_a_step_returns_the_cosines():
    u = [[tf.Variable([1.0, 0.0])], [tf.Variable([1.0, 0.0])], [tf.Variable([0.0, 0.0])]]
    g = [[tf.constant([-1.0, 1.0])], [tf.constant([0.0, 1.0])], [tf.constant([1.0, 1.0])]]
    decay = CensoredDecay(u, "projection", weight=1.0, alpha=1.0, learning_rate=0.1)
    np.testing.assert_allclose(tf.function(decay.step)(g), [-(0.5**0.5), 0, 0], rtol=1e-6)


def test_over_all_variables_one_conflict_is_made_up_for_by_another_agreement():
    u = [[tf.Variable([1.0, 0.0])], [tf.Variable([3.0, 0.0])]]
    g = [[tf.constant([-1.0, 0.0])], [tf.constant([1.0, 0.0])]]
    decay = CensoredDecay(u, "unweighted_cosine", weight=1.0, alpha=1.0, learning_rate=0.1, scope="global")
    cosine = 2 / (10**0.5 * 2**0.5)
    np.testing.assert_allclose(tf.function(decay.step)(g), [cosine, cosine], rtol=1e-6)
    np.testing.assert_allclose([part.numpy()[0] for (part,) in u], [1.0, 2.6], rtol=1e-5)  # Adam's step is 0.1


def test_a_zero_main_gradient_keeps_all_of_the_decay():
    for rule in set(RULES) - {"single_task"}:
        variable = tf.Variable([2.0, -4.0])
        decay = CensoredDecay([[variable]], rule, weight=5.0, alpha=0.5, learning_rate=0.1)
        tf.function(decay.step)([[tf.zeros(2)]])
        np.testing.assert_allclose(variable.numpy(), [1.0, -2.0], rtol=1e-6)


def test_the_average_starts_at_alpha_times_the_gradient_and_follows_it():
    decay = CensoredDecay([[tf.Variable([1.0, 2.0])]], "projection", weight=1.0, alpha=0.5, learning_rate=0.1)
    for fraction in (0.5, 0.75, 0.875):
        decay.step([[tf.constant([4.0, -8.0])]])
        np.testing.assert_allclose(decay.averages[0][0].numpy(), [4 * fraction, -8 * fraction], rtol=1e-6)


@pytest.mark.parametrize(
    ("choices", "sentence"),
    [
        ({"scope": "globl"}, "unknown scope 'globl'; did you mean 'global'"),
        ({"weight": -1.0}, "weight must be a number, 0 or more; received -1.0"),
        ({"alpha": 0.0}, "alpha must be above 0 and at most 1; received 0.0"),
        ({"learning_rate": 0.0}, "learning_rate must be positive; received 0.0"),
    ],
)
def test_choices_that_make_no_decay_are_refused(choices, sentence):
    usual = {"weight": 1.0, "alpha": 0.5, "learning_rate": 0.1}
    with pytest.raises(InputError, match=sentence):
        CensoredDecay([[tf.Variable([1.0])]], "projection", **usual | choices)

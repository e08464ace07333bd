"""Cautious weight decay ends at a minimum of the loss itself; a plain one does not."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from gradbook.auxiliary.cautious import Decayed
from gradbook.errors import InputError
from gradbook.optimizers import Adam, GradientDescent


def descended(start, gradient, decay, learning_rate=0.1, steps=2000):
    x = [tf.constant(start, tf.float64)]
    state = decay.init(x)

    @tf.function(jit_compile=True)
    def step(x, state):
        return decay.update([x], [gradient(x)], state, learning_rate)

    (x,) = x
    for _ in range(steps):
        (x,), state = step(x, state)
    return x.numpy()


@pytest.mark.parametrize("start", [-5.0, 0.0, 5.0])
@pytest.mark.parametrize(("cautious", "end"), [(True, 2.0), (False, 2.0 / 1.5)])
def test_where_a_parabola_ends(start, cautious, end):
    decay = Decayed(0.5, cautious, GradientDescent())
    assert descended([start], lambda x: x - 2.0, decay) == pytest.approx([end], abs=1e-6)


def test_it_slides_along_a_valley_to_a_point_where_no_coordinate_can_shrink_alone():
    decay = Decayed(0.1, True, GradientDescent())
    end = descended([4.0, -1.0], lambda x: tf.ones_like(x) * (tf.reduce_sum(x) - 2.0), decay, steps=4000)
    assert end.sum() == pytest.approx(2, abs=0.1)
    assert end.min() > -0.1


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), weight=st.floats(0, 2))
def test_it_never_decays_more_than_the_plain_one_and_equals_it_where_signs_agree(seed, weight):
    random = np.random.default_rng(seed)
    w, g = random.normal(size=(2, 7))
    g[0] = 0
    (none,), _ = GradientDescent().update([w], [g], (), 0.1)
    (plain,), _ = Decayed(weight, False, GradientDescent()).update([w], [tf.constant(g)], (), 0.1)
    (masked,), _ = Decayed(weight, True, GradientDescent()).update([w], [tf.constant(g)], (), 0.1)
    assert np.asarray(masked) == pytest.approx(np.where(w * g >= 0, plain, none))


def test_the_plain_one_beside_adam_is_keras():
    random = np.random.default_rng(1)
    start, steps = random.normal(size=(5, 3)).astype(np.float32), random.normal(size=(6, 5, 3)).astype(np.float32)
    theirs, peer = keras.Variable(start), keras.optimizers.AdamW(0.02, weight_decay=3.0)
    decay, ours = Decayed(3.0, False, Adam(epsilon=1e-7)), [tf.constant(start)]
    state = decay.init(ours)
    for gradient in steps:
        ours, state = decay.update(ours, [tf.constant(gradient)], state, 0.02)
        peer.apply([gradient], [theirs])
    np.testing.assert_allclose(ours[0].numpy(), theirs.numpy(), rtol=1e-5, atol=1e-7)


def test_weights_do_not_grow_by_decay():
    with pytest.raises(InputError, match=r"weight must be a number, 0 or more; received -1"):
        Decayed(-1)

"""Schedules: their range, their limits, the published values, and what they refuse."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from gradbook.errors import InputError
from gradbook.gradnets import Constant, Cosine, Linear, Step

starts = st.floats(0, 2)
lengths = st.floats(1e-3, 2)
progresses = st.floats(0, 3)


@given(starts, lengths, progresses, st.sampled_from([Linear, Cosine]))
def test_a_window_rises_from_0_at_its_start_to_1_at_its_end(start, length, progress, kind):
    schedule = kind(start, start + length)
    assert schedule(start) == 0
    assert schedule(start + length) == pytest.approx(1)
    assert 0 <= schedule(progress) <= 1
    assert schedule(progress) <= schedule(progress + 0.01) + 1e-12


@given(starts, lengths)
def test_the_cosine_is_point_symmetric_about_the_middle(start, length):
    schedule, offsets = Cosine(start, start + length), np.linspace(0, length / 2, 5)
    middle = start + length / 2
    np.testing.assert_allclose(schedule(middle - offsets) + schedule(middle + offsets), 1, atol=1e-9)


@given(st.floats(0, 1), progresses)
def test_a_constant_and_a_step_ignore_everything_but_their_one_number(value, progress):
    assert Constant(value)(progress) == value
    assert Step(value)(progress) == float(progress >= value)


def test_the_published_gate_advances_every_iteration():
    iterations = np.array([0, 100, 1100, 2500, 11000, 21900])
    published = [0, 0.00909091, 0.1, 0.227273, 1, 1]
    np.testing.assert_allclose(Linear(0, 10 / 20)(iterations / 22000), published, rtol=1e-5)


@pytest.mark.parametrize("schedule", [Constant(0.3), Linear(0.1, 0.7), Cosine(0.1, 0.7), Step(0.4)], ids=repr)
def test_compiled_and_plain_values_agree(schedule):
    progress = np.linspace(0, 1, 21).astype(np.float32)
    compiled = tf.function(schedule, jit_compile=True)(tf.constant(progress))
    assert compiled.dtype == tf.float32 and schedule(progress).dtype == np.float32
    np.testing.assert_allclose(compiled, schedule(progress), atol=1e-6)


@pytest.mark.parametrize("schedule", [Constant(0.3), Linear(0.1, 0.7), Cosine(0.1, 0.7), Step(0.4)], ids=repr)
def test_a_schedule_survives_serialisation(schedule):
    described = keras.saving.serialize_keras_object(schedule)
    assert keras.saving.deserialize_keras_object(described) == schedule


def test_a_schedule_from_another_version_is_refused_with_both_versions():
    described = keras.saving.serialize_keras_object(Linear(0, 0.5))
    described["config"]["version"] = 7
    with pytest.raises(InputError, match=r"Linear was saved in format 7; this version reads 1"):
        keras.saving.deserialize_keras_object(described)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Constant(1.5), r"must be in \[0, 1\]; received 1.5"),
        (lambda: Constant(-0.1), r"must be in \[0, 1\]; received -0.1"),
        (lambda: Constant(float("nan")), r"must be in \[0, 1\]; received nan"),
        (lambda: Linear(0, 0), r"start < end; received start 0 and end 0"),
        (lambda: Cosine(0.5, 0.2), r"start 0.5 and end 0.2"),
        (lambda: Linear(-1, 1), r"start -1"),
        (lambda: Step(-0.5), r"≥ 0; received -0.5"),
    ],
)
def test_impossible_gates_are_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()

"""Schedules see every example, scores count every example, and a lost run is named."""

import os

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradbook.errors import RunError
from gradbook.training import cores, evaluator, order, require_finite


@given(st.integers(1, 30), st.tuples(st.integers(1, 4), st.integers(1, 9), st.integers(1, 3)))
def test_every_pass_of_a_schedule_sees_every_example_once(examples, shape):
    seen = order(examples, shape, np.random.default_rng(0))
    assert seen.shape == shape and seen.dtype == np.int32
    passes = [seen.ravel()[start : start + examples] for start in range(0, seen.size, examples)]
    for whole in passes[:-1]:
        assert sorted(whole) == list(range(examples))
    assert len(set(passes[-1])) == len(passes[-1])


def test_a_smaller_last_batch_counts_by_its_size():
    logits = np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32)
    labels = np.array([0, 1, 2, 0, 1, 2, 0], np.int32)
    loss, accuracy = evaluator(lambda images: images, batch_size=3)(logits, labels)
    expected = keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
    assert float(loss) == pytest.approx(float(np.mean(expected)), rel=1e-6)
    assert float(accuracy) == pytest.approx(np.mean(logits.argmax(1) == labels))


@pytest.mark.parametrize("value", (float("nan"), float("inf"), -float("inf")))
def test_what_is_not_a_number_is_named(value):
    with pytest.raises(RunError, match=rf"test_loss became {value} in epoch 2"):
        require_finite(value, "test_loss", "epoch 2")


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system binds no process to cores")
def test_a_process_that_is_bound_to_one_core_carries_on_one_run_at_a_time():
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        assert cores() == 1
    finally:
        os.sched_setaffinity(0, allowed)


@pytest.mark.parametrize("asked, expected", [("5", 5), ("0", None), ("default", None), ("", None)])
def test_a_number_of_cores_can_be_asked_for_as_of_python(monkeypatch, asked, expected):
    monkeypatch.delenv("PYTHON_CPU_COUNT", raising=False)
    usual = cores()
    monkeypatch.setenv("PYTHON_CPU_COUNT", asked)
    assert cores() == (expected or usual)

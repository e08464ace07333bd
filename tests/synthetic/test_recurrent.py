"""Windows of time as blocks of a chain."""

import numpy as np
import pytest

from gradbook.errors import InputError
from gradbook.optimizers import Adam, GradientDescent
from gradbook.synthetic.recurrent import copy_task, train_copy
from gradbook.synthetic.settings import Settings

SMALL = {"seeds": [0], "length": 2, "units": 5, "batch_size": 4, "steps": 6, "every": 2}


def test_the_copy_task_repeats_what_was_shown():
    x, y = copy_task(3, 2, 5, np.random.default_rng(0))
    np.testing.assert_array_equal(y[3:], x[:3, :, :2])
    assert np.isnan(y[:3]).all() and (x[3:, :, 2] == 1).all() and not x[3:, :, :2].any()


def test_mixing_of_one_is_full_backpropagation_through_time_whatever_the_window():
    curves = [train_copy({"full": Settings(mixing=1.0)}, window=window, **SMALL)["full"] for window in (2, 4)]
    np.testing.assert_allclose(*curves, rtol=1e-4)


def test_one_window_leaves_nothing_to_predict():
    settings = {"cut": Settings(predictor_learning_rate=0.0), "whole": Settings(mixing=1.0)}
    curves = train_copy(settings, window=4, **SMALL)
    np.testing.assert_array_equal(curves["cut"], curves["whole"])


def test_predictions_extend_what_truncation_cuts_off():
    rates = {"learning_rate": 0.01, "predictor_learning_rate": 1e-3}
    settings = {"cut": Settings(**rates | {"predictor_learning_rate": 0.0}), "extended": Settings(**rates)}
    curves = train_copy(settings, seeds=[0, 1], length=2, window=2, bits=1, units=16, steps=1200, every=400)
    assert curves["extended"][:, -1].mean() < 0.5 * curves["cut"][:, -1].mean()


def test_the_optimizer_is_the_one_that_was_chosen():
    still = Settings(learning_rate=0.0, predictor_learning_rate=0.0)
    choices = {"still": still, "descent": Settings(learning_rate=0.1)}
    descent, adam = (train_copy(choices, optimizer=one, **SMALL) for one in (GradientDescent(), Adam()))
    np.testing.assert_array_equal(descent["still"], adam["still"])
    assert not np.array_equal(descent["descent"][:, 1:], adam["descent"][:, 1:])
    np.testing.assert_array_equal(adam["descent"], train_copy(choices, **SMALL)["descent"])


def test_a_window_that_does_not_divide_the_sequence_is_refused():
    with pytest.raises(InputError, match="window must divide the sequences' length of 4; received 3"):
        train_copy({}, window=3, **SMALL)


@pytest.mark.parametrize(("steps", "every"), [(5, 2), (2, 5)])
def test_it_takes_just_the_steps_that_were_asked_for_and_logs_the_means_between(steps, every):
    each, means = (
        train_copy({"one": Settings()}, **SMALL | {"steps": steps, "every": between})["one"][0]
        for between in (1, every)
    )
    assert len(each) == steps
    expected = [each[start : start + every].mean() for start in range(0, steps, every)]
    np.testing.assert_allclose(means, expected, rtol=1e-5)


@pytest.mark.parametrize("name", ["length", "bits", "units", "batch_size", "steps", "every"])
def test_numbers_out_of_range_are_refused(name):
    with pytest.raises(InputError, match=f"{name} must be at least 1; received 0"):
        train_copy({}, **SMALL | {name: 0})

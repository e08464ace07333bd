"""Parts of a dataset are standardised by its own moments, however many images it has."""

from dataclasses import replace

import numpy as np
import pytest

from gradbook import data
from gradbook.data.held_out import split
from gradbook.errors import InputError


def colours(count: int, values: np.ndarray):
    """Digits' dataset with so many images of one colour each, [count, 16, 16, 3]."""
    images = np.broadcast_to(values.astype(np.float32)[:, None, None, :], (count, 16, 16, 3))
    labels = np.arange(count) % 10
    return replace(data.load("digits"), x_train=images, y_train=labels, x_test=images[:50], y_test=labels[:50])


@pytest.mark.parametrize("count", [500, 80_000])
def test_channels_have_mean_zero_and_deviation_one_over_all_training_images(count):
    """80,000 images have more than 2²⁴ values a channel, where a running sum in single precision stops growing."""
    rng = np.random.default_rng(0)
    values = rng.uniform(0.2, 1.0, (count, 3)) * [1.0, 0.5, 0.9]
    parts = split(colours(count, values), count)
    all_images = np.concatenate([parts["train"][0][:, 0, 0], parts["held_out"][0][:, 0, 0]]).astype(np.float64)
    assert parts["train"][0].dtype == np.float32
    np.testing.assert_allclose(all_images.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(all_images.std(0), 1, atol=1e-5)


def test_a_channel_that_is_the_same_everywhere_is_zero_and_not_nan():
    values = np.random.default_rng(0).uniform(size=(500, 3))
    values[:, 1] = 0.49
    images, _ = split(colours(500, values), 500)["train"]
    np.testing.assert_allclose(images[..., 1], 0, atol=1e-6)
    assert np.isfinite(images).all()


def test_only_lossless_images_are_tested_on_and_a_limit_holds_for_training_alone():
    values = np.random.default_rng(0).uniform(size=(500, 3))
    lossless = np.arange(50) % 2 == 0
    parts = split(replace(colours(500, values), test_is_lossless=lossless), 7)
    assert {part: len(labels) for part, (_, labels) in parts.items()} == {"train": 7, "held_out": 50, "test": 25}
    np.testing.assert_array_equal(parts["test"][1], (np.arange(50) % 10)[lossless])


def test_so_few_images_that_none_is_held_out_are_refused():
    with pytest.raises(InputError, match="dataset 'digits' must have at least 6 training images; received 5"):
        split(colours(5, np.ones((5, 3))), 5)
    assert len(split(colours(6, np.ones((6, 3))), 5)["held_out"][1]) == 1

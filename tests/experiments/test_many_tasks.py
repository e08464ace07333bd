"""Two digits in one image: how they are laid, and what training on them promises."""

import numpy as np
import pytest
from pydantic import ValidationError

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


def test_one_task_alone_leaves_the_other_head_as_it_was():
    cell = Configuration(weight=1.0, epochs=2)
    (record,) = many_tasks.run(cell, [0])
    (doubled,) = many_tasks.run(cell.model_copy(update={"scale": 10.0}), [0])
    assert record.metrics == doubled.metrics
    assert record.metrics["left_test_accuracy"] > 0.3


def test_under_adam_the_mean_is_the_sum():
    one, other = (many_tasks.run(Configuration(method=how, epochs=2), [1])[0].metrics for how in ("sum", "mean"))
    assert one["test_loss"] == pytest.approx(other["test_loss"], rel=1e-3)


def test_an_unknown_method_is_named():
    with pytest.raises(ValidationError, match="did you mean 'cagrad'"):
        Configuration(method="cagard")
    with pytest.raises(ValidationError, match="did you mean 'cautious'"):
        cautious_decay.Configuration(decay="caution")
    assert cautious_decay.Configuration(decay="projection").decay == "projection"


def test_without_weight_all_decays_are_none():
    found = [
        cautious_decay.run(cautious_decay.Configuration(decay=decay, epochs=2), [0])[0].metrics["test_loss"]
        for decay in ("decoupled", "cautious", "projection")
    ]
    assert found == pytest.approx([found[0]] * 3, rel=1e-5)

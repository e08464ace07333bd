"""Deep networks that start in many ways: the protocols, and that every block trains."""

from typing import get_args

import numpy as np
import pytest

from gradbook.errors import InputError
from gradbook.experiments.deep_blocks import Configuration, images, initial_weights, run
from gradbook.gradnets.blocks import BlockName

SMALL = {"dataset": "digits", "depth": 6, "width": 16, "epochs": 1, "log_every": 26}


@pytest.mark.parametrize("block", ["gradnet", "rezero", "fixup", "stochastic_depth"])
def test_a_seed_decides_a_run_and_curves_end_with_the_metrics(block):
    first, second = run(Configuration(**SMALL, block=block), [3, 4])
    (again,) = run(Configuration(**SMALL, block=block), [3])
    assert again.metrics == first.metrics != second.metrics
    assert first.curves["iteration"][-1] == 26
    assert first.curves["train_loss"][-1] == first.metrics["train_loss"] < np.log(10) + 0.5
    assert first.curves["held_out_accuracy"][-1] == first.metrics["held_out_accuracy"]


def test_gates_are_reported():
    def gate(block):
        return run(Configuration(**SMALL | {"log_every": 13}, block=block), [0])[0].curves["gate"]

    assert gate("gradnet") == [1.0, 1.0]  # open after half of training
    assert 0 < gate("rezero")[-1] < 0.5
    assert gate("stochastic_depth") == pytest.approx([11 / 16] * 2)


def test_a_twelfth_is_held_out_but_not_in_the_published_run():
    held_out, whole = images("digits"), images("digits", holds_out=False)
    assert len(held_out.train[1]) + len(held_out.held_out[1]) == len(whole.train[1])
    assert len(held_out.held_out[1]) == len(whole.train[1]) // 12 and not len(whole.held_out[1])
    (record,) = run(Configuration(**SMALL, block="rezero", protocol="rezero"), [0])
    assert "held_out_accuracy" not in record.metrics


def test_first_and_last_layers_follow_the_protocol():
    cell = Configuration(**SMALL | {"width": 256}, block="fixup")
    first, _, last, *_ = (w.numpy() for w in initial_weights(cell, 784, 10, seed=0))
    assert np.abs(first).max() <= 0.2 and not last.any()  # Fixup's classifier starts at 0
    cell = Configuration(**SMALL | {"width": 256}, block="rezero", protocol="rezero")
    first, bias, last, *_ = (w.numpy() for w in initial_weights(cell, 784, 10, seed=0))
    assert first.std() == pytest.approx((2 / 784) ** 0.5, rel=0.02)
    assert np.abs(bias).max() <= 784**-0.5 and 0.05 < np.abs(last).max() <= 1 / 16


def test_a_batch_larger_than_the_data_is_refused():
    with pytest.raises(InputError, match="batch_size must be at most"):
        run(Configuration(**SMALL | {"batch_size": 5000}), [0])


def test_every_block_is_planned_or_a_control():
    from gradbook.experiments.deep_blocks import STUDY

    assert {cell.block for cell in STUDY.planned} >= set(get_args(BlockName)) - {"layernorm"}

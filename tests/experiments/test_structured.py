"""Classifiers of structured matrices: each is of its family and of the size of its budget, and a seed decides a run."""

import pytest

from gradbook.errors import InputError
from gradbook.experiments.structured import LAYERS, Configuration, run, within
from gradbook.lowrank.convs.table import FAMILIES

BUDGETS = {name: None for name, family in FAMILIES.items() if family.hyperparameter is None}
BUDGETS |= dict.fromkeys(["low_rank", "hashed", "monarch", "block_tensor_train"], 3000)


@pytest.mark.parametrize("name", BUDGETS)
def test_a_network_s_layers_are_of_its_family_and_fill_its_budget(name):
    build, kept, value = within(BUDGETS[name], name, (64, 32, 10))
    model = build()
    assert {type(layer) for layer in model.layers[1 : 1 + LAYERS]} == {FAMILIES[name].layer}
    dense = 65 * 32 + 2 * 33 * 32 + 33 * 10
    assert kept * dense == pytest.approx(BUDGETS[name] or dense, rel=0.3)  # some come in coarse steps
    assert (value == 0) == (BUDGETS[name] is None)


def test_a_budget_that_a_family_cannot_meet_is_refused():
    with pytest.raises(InputError, match=r"parameters must be between .* received 10"):
        within(10, "low_rank", (64, 32, 10))


@pytest.mark.parametrize("decay", ["weights", "compressed", "frobenius"])
def test_a_seed_decides_a_run_and_decay_acts(decay):
    small = {"dataset": "digits", "width": 16, "family": "low_rank", "budget": 1200, "images": 200, "decay": decay}
    first, second = run(Configuration(**small), [0, 1])
    (again,) = run(Configuration(**small), [0])
    assert (again.metrics, again.curves) == (first.metrics, first.curves)
    assert first.metrics != second.metrics
    (decayed,) = run(Configuration(**small, weight_decay=1.0), [0])
    assert decayed.curves["train_loss"][-1] > first.curves["train_loss"][-1]

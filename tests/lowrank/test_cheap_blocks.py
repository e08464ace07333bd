"""Counts of cheap blocks: those of the library where the networks are the same, and unknown kinds are refused."""

import pytest

from gradbook.errors import InputError
from gradbook.lowrank.cheap_blocks import parameters
from gradbook.lowrank.count import weightless
from gradbook.lowrank.networks import wide_resnet


def test_dense_blocks_count_as_the_library_s_network_with_its_moving_averages():
    assert parameters(16, 1, "3x3") == weightless(lambda: wide_resnet(16, 1)).count_params()


def test_groups_of_all_channels_are_one_dense_step_and_kinds_may_differ_by_stage():
    assert parameters(16, 2, "A1B2") == parameters(16, 2, "B2")
    assert parameters(16, 2, ["G4"] * 3) == parameters(16, 2, "G4")
    assert parameters(16, 2, ["3x3", "2x2", "DConv"]) == 168_890


@pytest.mark.parametrize("kind", ["5x5", "3x2", "2x3", "G", "A", "", "B", "G2B", "DConv8", "A0", "B0"])
def test_a_kind_that_they_do_not_have_is_refused(kind):
    with pytest.raises(InputError, match=f"blocks must be 3x3.*received '{kind}'"):
        parameters(16, 2, kind)


@pytest.mark.parametrize(
    ("depth", "blocks", "sentence"),
    [
        (41, "3x3", r"depth must be 6n \+ 4.*received 41"),
        (16, ["3x3", "2x2"], r"blocks must be one kind, or one for each of three stages; received \['3x3', '2x2'\]"),
    ],
)
def test_a_network_that_they_do_not_have_is_refused(depth, blocks, sentence):
    with pytest.raises(InputError, match=sentence):
        parameters(depth, 2, blocks)

"""Budgets: sizes are those of built networks, and what is found is the nearest there is."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradbook.errors import InputError
from gradbook.lowrank.budget import Sizes, fit
from gradbook.lowrank.convs import FAMILIES, substitute
from gradbook.lowrank.count import parameters, weightless
from gradbook.lowrank.networks import darts, wide_resnet, wrn_50_2


def wide(convolution):
    return wide_resnet(28, 10, convolution=convolution)


def small(convolution):
    return wide_resnet(16, 2, convolution=convolution)


# published, and recounted from vector figures, for the networks of the research log
PUBLISHED = {
    wide: [
        (("separable",), 4_380_138),
        (("hashed", 0.1), 3_911_898),
        (("hashed", 0.1 / 3), 1_498_842),
        (("hashed", 0.01), 654_272),
        (("separable_hashed", 0.2), 1_171_690),
        (("separable_hashed", 0.5), 2_378_218),
        (("low_rank", 0.03), 601_162),
        (("low_rank", 0.1), 1_190_634),
        (("shuffle", 1), 2_384_154),
        (("shuffle", 3), 1_343_834),
        (("shuffle", 4), 823_674),
        (("shuffle", 8), 563_594),
        (("shuffle", 16), 437_354),
        (("shuffle", 32), 378_314),
        (("acdc", 11), 555_498),
        (("acdc", 47), 1_200_618),
        (("tensor_train", 0.59), 1_840_487),
        (("tensor_train", 0.26), 664_226),
    ],
    lambda convolution: darts(convolution=convolution): [
        (("shuffle", 2), 783_640),
        (("low_rank", 0.12), 1_398_106),
        (("separable_hashed", 0.38), 1_415_905),
        (("tensor_train", 0.41), 825_341),
    ],
    lambda convolution: wrn_50_2(convolution=convolution): [
        (("shuffle", 1), 17_717_096),
        (("low_rank", 0.21), 17_548_264),
        (("separable_hashed", 0.58), 17_608_779),
        (("tensor_train", 0.27), 4_341_432),
    ],
}


@pytest.mark.parametrize(("build", "counts"), PUBLISHED.items())
def test_sizes_are_the_published_ones(build, counts):
    sizes = Sizes(build)
    assert [(row, sizes(substitute(*row))) for row, _ in counts] == counts


def test_trains_in_four_dimensions_and_cores_that_are_trains_are_the_published_ones():
    sizes = Sizes(wide)
    assert sizes(substitute("tensor_train", 0.8, dimensions=4)) == 671_050
    assert sizes(substitute("tucker", 0.4, dimensions=4, core="train")) == 685_723
    assert sizes(substitute("tucker", 0.25, core="train")) == 681_248


def test_sizes_are_those_of_built_networks():
    sizes = Sizes(small)
    for name, family in FAMILIES.items():
        convolution = family(family.example)
        assert sizes(convolution) == parameters(weightless(lambda made=convolution: small(made))), name


@pytest.mark.parametrize("family", ["hashed", "low_rank", "tensor_train", "cp"])
@settings(max_examples=2, deadline=None)
@given(value=st.floats(0.05, 1))
def test_a_size_that_the_family_has_is_met_exactly(family, value):
    target = SMALL(substitute(family, value))
    found = fit(small, target, family=family)
    assert found.parameters == SMALL(found.convolution) == target


SMALL = Sizes(small)


@pytest.mark.parametrize("family", ["shuffle", "bottleneck", "acdc"])
def test_whole_hyperparameters_are_searched_exactly(family):
    found = fit(SMALL, 50_000, family=family)
    others = [SMALL(substitute(family, value)) for value in (1, 2, 4, 8, 16)]
    assert all(abs(found.parameters - 50_000) <= abs(other - 50_000) for other in others)


@pytest.mark.parametrize(
    ("parameters", "family", "sentence"),
    [
        (1_000, "low_rank", r"between 23,034 and [\d,]+, which rank of 'low_rank' reaches .*received 1,000"),
        (10_000_000, "shuffle", "received 10,000,000"),
        (50_000, "separable", r"'separable' has nothing to set; the network has [\d,]+ parameters"),
        ("x", "tucker", "parameters must be a whole number, 1 or more; received 'x'"),
        (50_000, "tuker", "unknown convolution 'tuker'; did you mean 'tucker'"),
    ],
)
def test_budgets_out_of_reach_name_the_range(parameters, family, sentence):
    with pytest.raises(InputError, match=sentence):
        fit(small, parameters, family=family)


@pytest.mark.parametrize(
    ("family", "options", "sentence"),
    [
        ("low_rank", {"order": "none"}, "convolution 'low_rank' has no order; received 'none'"),
        ("bottleneck", {"group_size": 7}, "no reduction of 'bottleneck'"),
        ("bottleneck", {"group_size": 0}, "group_size must be a whole number, 1 or more; received 0"),
    ],
)
def test_arguments_that_no_value_goes_with_are_named(family, options, sentence):
    with pytest.raises(InputError, match=sentence):
        fit(small, 50_000, family=family, **options)


def test_a_family_of_one_s_own_need_not_be_in_the_table():
    own = replace(FAMILIES["low_rank"], name="own", high=0.5)
    assert replace(fit(small, 40_000, family=own), family="low_rank", convolution=None) == replace(
        fit(small, 40_000, family="low_rank"), convolution=None
    )
    with pytest.raises(InputError, match="of 'own' reaches"):
        fit(small, 10**9, family=own)

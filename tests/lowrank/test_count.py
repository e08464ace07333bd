"""Counts equal the published ones to the last multiplication."""

import math

import keras
import pytest
from keras import layers

from gradbook.errors import InputError
from gradbook.lowrank import count
from gradbook.lowrank.convs import ACDC, Separable, substitute
from gradbook.lowrank.networks import darts, mobilenet_v2, wide_resnet, wrn_50_2


def wide(family, value=None, **options):
    convolution = substitute(family, value, **options)
    return count.weightless(lambda: wide_resnet(28, 10, convolution=convolution))


@pytest.mark.parametrize(
    ("family", "value", "log"),
    [
        ("plain", None, 5_245_638_922),
        ("separable", None, 629_696_778),
        ("separable_hashed", 0.2, 629_696_778),
        ("low_rank", 0.1, 171_206_922),
        ("shuffle", 4, 117_201_162),
        ("tucker", 0.41, 629_696_778),
    ],
)
def test_wide_resnets_count_as_in_the_research_log(family, value, log):
    model = wide(family, value)
    assert count.mult_adds(model, convention="log") == log
    # ReLUs see 2,310,144 elements, and ten biases are added
    assert count.mult_adds(model) == log - 2_310_144 - 10


def test_the_grouped_bottleneck_counts_as_published():
    model = wide("bottleneck", 2, group_size=8)
    assert count.parameters(model) == 4_785_114
    assert f"{count.mult_adds(model, convention='log'):.5e}" == "7.57734e+08"


def test_other_networks_count_as_published():
    # there the log's last pooling is a layer of its own, and counted; in wide residual networks it is a function
    pooling = {layers.GlobalAveragePooling2D: lambda layer, before, after, convention: math.prod(before)}
    model = count.weightless(wrn_50_2)
    assert count.mult_adds(model, convention="log", handlers=pooling) == 11_412_824_040
    assert f"{count.mult_adds(count.weightless(mobilenet_v2)):.5e}" == "3.00774e+08"


def test_darts_counts_as_published_and_as_logged_where_the_log_overlooked_dilation():
    model = count.weightless(darts)
    assert count.mult_adds(model) == 528_359_040
    assert count.mult_adds(model, convention="log") == 537_399_946

    def overlooks_dilation(layer, before, after, convention):
        grown = (before[0] + 2, before[1] + 2) if layer.dilation_rate > 1 else after[:2]
        depthwise = 9 * before[2] * (math.prod(grown) - math.prod(after[:2]))
        return layer.mult_adds(before) + depthwise

    assert count.mult_adds(model, convention="log", handlers={Separable: overlooks_dilation}) == 538_200_874


def test_acdc_counts_as_logged_where_the_log_took_the_size_before_the_stride():
    def as_logged(layer, before, after, convention):
        width = max(before[2], after[2])
        chain = min(layer.layers * (4 * width + 5 * width * math.log2(width)), width**2)
        return 9 * before[2] * after[0] * after[1] + chain * before[0] * before[1]

    model = wide("acdc", 11)
    assert count.parameters(model) == 555_498
    counted = count.table(model, convention="log", handlers={ACDC: lambda *given: round(as_logged(*given))})
    assert f"{counted['mult_adds'].sum():.5e}" == "7.99262e+08"


def test_a_table_has_every_layer_and_its_sums_are_the_counts():
    model = count.weightless(lambda: wide_resnet(10, 1))
    counted = count.table(model)
    assert list(counted["layer"]) == [layer.name for layer in model.layers]
    assert counted["parameters"].sum() == count.parameters(model)
    assert f"{count.parameters(model):,} parameters, {count.mult_adds(model):,} mult-adds" in count.text(counted)


def test_counts_follow_the_input_and_leave_the_model_alone():
    model = count.weightless(lambda: wide_resnet(10, 1))
    assert count.mult_adds(model, (64, 64, 3)) - 640 == 4 * (count.mult_adds(model) - 640)
    assert model.input_shape == (None, 32, 32, 3)


def test_what_no_handler_knows_is_named_and_can_be_given_one():
    images = keras.Input((4, 4, 2))
    model = keras.Model(images, layers.UpSampling2D()(layers.Conv2D(3, 1)(images)))
    with pytest.warns(UserWarning, match=r"not counted: UpSampling2D\."):
        assert count.mult_adds(model) == 16 * 2 * 3
    assert "(not counted: UpSampling2D)" in count.text(count.table(model))
    copies = {layers.UpSampling2D: lambda layer, before, after, convention: math.prod(after)}
    assert count.mult_adds(model, handlers=copies) == 16 * 2 * 3 + 8 * 8 * 3


def test_an_unknown_convention_is_refused():
    with pytest.raises(InputError, match="unknown convention 'logs'; did you mean 'log'"):
        count.mult_adds(count.weightless(lambda: wide_resnet(10, 1)), convention="logs")

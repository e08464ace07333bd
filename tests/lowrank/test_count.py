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
    assert list(counted["layer"]) == [layer.name for layer in model.layers[1:]]  # the first is the input
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


def model_of(layer, *shape):
    images = keras.Input(shape)
    return keras.Model(images, layer(images))


def test_a_layer_counts_as_often_as_it_is_called_and_its_parameters_once():
    one, other, shared = keras.Input((16,)), keras.Input((16,)), layers.Dense(16, name="shared")
    siamese = keras.Model([one, other], layers.Add()([shared(one), shared(other)]))
    counted = count.table(siamese)
    assert list(counted["layer"][:2]) == ["shared", "shared"]
    assert list(counted["parameters"]) == [16 * 17, 0, 0]
    assert counted["mult_adds"].sum() == 2 * 16 * 16
    small, large, head = keras.Input((8, 8, 3)), keras.Input((16, 16, 3)), layers.Conv2D(4, 3, padding="same")
    pyramid = keras.Model([small, large], [head(small), head(large)])
    assert count.mult_adds(pyramid) == 27 * 4 * (8 * 8 + 16 * 16)


def test_models_within_models_are_looked_into_at_the_size_that_they_get():
    inner = keras.Sequential(
        [keras.Input((None, None, 3)), layers.Conv2D(4, 3, padding="same", name="conv")], name="in"
    )
    twice = keras.Model(inner.inputs, inner.outputs, name="twice")
    images = keras.Input((8, 8, 3))
    model = keras.Model(images, [twice(images), inner(layers.MaxPooling2D(name="pool")(images))])
    counted = count.table(model)
    assert sorted(counted["layer"]) == ["in/conv", "pool", "twice/conv"]
    assert count.mult_adds(model) == 27 * 4 * (64 + 16)
    assert counted["parameters"].sum() == count.parameters(model) == 27 * 4 + 4


@pytest.mark.parametrize(
    ("layer", "shape", "expected"),
    [
        (layers.Conv2D(8, 3, padding="same", data_format="channels_first"), (3, 32, 16), 27 * 8 * 32 * 16),
        (layers.Conv2D(8, 3, groups=2), (6, 6, 4), 9 * 2 * 8 * 16),
        (layers.Conv1D(8, 5), (12, 3), 5 * 3 * 8 * 8),
        (layers.Conv3D(2, 3), (4, 4, 4, 3), 27 * 3 * 2 * 8),
        (layers.Conv2DTranspose(5, 2, strides=2), (4, 4, 3), 4 * 3 * 5 * 16),
        (layers.DepthwiseConv2D(3, depth_multiplier=2), (5, 5, 3), 9 * 6 * 9),
        (layers.DepthwiseConv2D(3, data_format="channels_first"), (3, 5, 5), 9 * 3 * 9),
        (layers.SeparableConv2D(7, 3, depth_multiplier=2), (5, 5, 3), (9 * 6 + 6 * 7) * 9),
        (layers.SeparableConv2D(7, 3, data_format="channels_first"), (3, 5, 5), (9 * 3 + 3 * 7) * 9),
        (layers.Dense(7), (5, 3), 5 * 3 * 7),
        (layers.Embedding(10, 4), (5,), 0),
    ],
)
def test_layers_count_the_products_of_their_loops(layer, shape, expected):
    assert count.mult_adds(model_of(layer, *shape)) == expected


def test_rectifiers_are_counted_by_the_logs_convention_whatever_their_layer():
    for layer, expected in ((layers.ReLU(), 12), (layers.Activation("relu"), 12), (layers.Activation("tanh"), 0)):
        model = model_of(layer, 3, 4)
        assert (count.mult_adds(model), count.mult_adds(model, convention="log")) == (0, expected)


@pytest.mark.parametrize("layer", [layers.LSTM(4), layers.TimeDistributed(layers.Dense(4))])
def test_layers_that_hold_others_or_loop_are_named(layer):
    with pytest.warns(UserWarning, match=rf"not counted: {type(layer).__name__}\."):
        assert count.mult_adds(model_of(layer, 5, 3)) == 0


def test_operations_outside_layers_are_free_or_named():
    assert count.mult_adds(model_of(lambda x: keras.ops.relu(x + 1) * 2, 3, 4)) == 0
    with pytest.warns(UserWarning, match=r"not counted: Matmul\."):
        count.mult_adds(model_of(lambda x: keras.ops.matmul(x, keras.ops.transpose(x, (0, 2, 1))), 3, 4))


@pytest.mark.parametrize(
    ("shape", "given", "sentence"),
    [
        ((None, None, 3), None, r"input_shape must say how large an example is; this model leaves it open"),
        ((8, 8, 3), (8, None, 3), "input_shape must say how large"),
        ((8, 8, 3), [(8, 8, 3), (8, 8, 3)], "input_shape must have a shape for each of 1 inputs; received"),
        ((None, None, 3), (8, 8, 4), "input_shape does not fit the model: .*axis -1"),
    ],
)
def test_sizes_that_are_open_or_unfit_are_asked_for(shape, given, sentence):
    with pytest.raises(InputError, match=sentence):
        count.mult_adds(model_of(layers.Conv2D(4, 3), *shape), given)


def test_a_dense_layer_behind_an_image_of_another_size_is_refused():
    model = model_of(keras.Sequential([layers.Flatten(), layers.Dense(3)]), 4, 4, 1)
    assert count.mult_adds(model) == 16 * 3
    with pytest.raises(InputError, match="input_shape does not fit the model"):
        count.mult_adds(model, (8, 8, 1))


def test_models_without_a_graph_are_refused():
    class Own(keras.Model):
        def call(self, images):
            return images

    with pytest.raises(InputError, match="model must be functional or sequential; received Own"):
        count.mult_adds(Own())
    with pytest.raises(InputError, match="model must have weights; received 'empty', which was never called"):
        count.mult_adds(keras.Sequential([layers.Dense(2)], name="empty"))


def test_an_unknown_convention_is_refused():
    with pytest.raises(InputError, match="unknown convention 'logs'; did you mean 'log'"):
        count.mult_adds(count.weightless(lambda: wide_resnet(10, 1)), convention="logs")

"""Cutting: any sequential or functional chain, as it is, where it is a chain."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from synthetic_helpers import chain, network, steps

from gradbook.errors import InputError
from gradbook.synthetic.chain import Interface, cross_entropy, cut
from gradbook.synthetic.predictors import Critic, SyntheticGradient, SyntheticInput
from gradbook.synthetic.settings import Settings


def convolutional() -> keras.Model:
    """A functional network with a skip connection inside its second block."""
    x = keras.Input([8, 8, 2])
    h = keras.layers.Conv2D(3, 3, padding="same", activation="relu", name="first")(x)
    skip = keras.layers.Conv2D(3, 3, padding="same", name="side")(h)
    h = keras.layers.Add(name="sum")([h, skip])
    h = keras.layers.Flatten()(h)
    return keras.Model(x, keras.layers.Dense(3)(h))


def test_the_book_s_network_has_the_published_numbers_of_parameters():
    model = network(depth=3, width=256, inputs=784, classes=10)
    cutted = cut(model, ["relu_1", "relu_2", "relu_3"], loss=cross_entropy, context=10)
    assert sum(int(np.prod(v.shape)) for v in model.trainable_variables) == 336_650
    assert [one.gradient_predictor.count_params() for one in cutted.interfaces] == [68_352] * 3


@pytest.mark.parametrize(
    ("model", "after"),
    [(network(), ["relu_1", "relu_3"]), (convolutional(), ["first", "sum"]), (convolutional(), ["sum"])],
)
def test_blocks_in_a_row_are_the_network(model, after):
    cutted = cut(model, after, loss=cross_entropy, context=3)
    x = np.random.default_rng(0).standard_normal([4, *model.input_shape[1:]]).astype("float32")
    np.testing.assert_array_equal(cutted.outputs(cutted.state(), x)[-1], model(x))
    owned = [v for block in cutted.blocks for v in block.variables]
    assert {id(v) for v in owned} == {id(v) for v in model.variables} and len(owned) == len(model.variables)


def test_a_convolutional_network_is_trained_through_its_cuts():
    keras.utils.set_random_seed(0)
    cutted = cut(convolutional(), ["first", "sum"], loss=cross_entropy, context=3)
    random = np.random.default_rng(0)
    batch = (
        tf.constant(random.standard_normal([6, 8, 8, 2]), tf.float32),
        tf.constant(np.eye(3)[[0, 1, 2] * 2], tf.float32),
    )
    before, after = cutted.state(), steps(cutted, [batch] * 4, Settings())
    assert cutted.interfaces[0].gradient_predictor.count_params() == (3 + 3) * 25 * 3 + 3
    for one, other in zip(before.blocks, after.blocks, strict=True):
        assert not np.array_equal(one.weights[0], other.weights[0])


@pytest.mark.parametrize(
    ("after", "message"),
    [
        (["relu_9"], "unknown layer 'relu_9'; did you mean 'relu_3'"),
        (["relu_2", "relu_1"], "in the network's order"),
        (["relu_1", "relu_1"], "'relu_1' leaves an empty block"),
        (["readout"], "'readout' leaves an empty block"),
    ],
)
def test_a_cut_that_is_none_is_refused(after, message):
    model = network()
    model.layers[-1].name = "readout"
    with pytest.raises(InputError, match=message):
        cut(model, after, loss=cross_entropy)


def test_a_cut_that_a_path_leads_around_is_refused():
    with pytest.raises(InputError, match="does not lead through the cut"):
        cut(convolutional(), ["side"], loss=cross_entropy)


def test_weights_on_both_sides_of_a_cut_are_refused():
    shared = keras.layers.Dense(5)
    x = keras.Input([5])
    middle = keras.layers.ReLU(name="middle")(shared(x))
    with pytest.raises(InputError, match="divides weights that layers share"):
        cut(keras.Model(x, shared(middle)), ["middle"], loss=cross_entropy)


def test_forward_unlock_puts_a_predictor_of_the_input_at_every_interface():
    predictors = [one.input_predictor for one in chain(predict_inputs=True).interfaces]
    assert [one.shape for one in predictors] == [(7,)] * 3
    brought = SyntheticInput([7])
    cutted = cut(
        network(depth=1), [Interface("relu_1", SyntheticGradient(), brought)], loss=cross_entropy, predict_inputs=True
    )
    assert cutted.interfaces[0].input_predictor is brought


def test_inputs_are_predicted_everywhere_or_nowhere():
    brought = Interface("relu_1", SyntheticGradient(), SyntheticInput([7]))
    with pytest.raises(InputError, match=r"all interfaces or at none; received predictors after \['relu_1'\] only"):
        cut(network(depth=2), [brought, "relu_2"], loss=cross_entropy)
    cutted = cut(network(depth=1), [brought], loss=cross_entropy)
    assert cutted.parts.input_predictors[0].built


def test_what_is_not_single_precision_is_refused_where_it_is_cut():
    layers = [keras.layers.Dense(4, name="half", dtype="mixed_float16"), keras.layers.Dense(2)]
    with pytest.raises(InputError, match="the output of 'half' must be float32; received float16; build that layer"):
        cut(keras.Sequential([keras.Input([3]), *layers]), ["half"], loss=cross_entropy)
    half = Interface("relu_1", SyntheticGradient(dtype="mixed_float16", name="low"))
    with pytest.raises(InputError, match="the predictor 'low' must be float32; received float16"):
        cut(network(), [half], loss=cross_entropy)


@pytest.mark.parametrize(
    "layer",
    [
        SyntheticGradient(),
        SyntheticGradient([4], initializer="glorot_uniform"),
        Critic(3),
    ],
)
@pytest.mark.parametrize("context", [0, 2])
def test_predictors_survive_being_saved(layer, context):
    layer = type(layer).from_config(layer.get_config())
    inputs = [np.ones([3, 5], "float32")] + ([np.ones([3, context], "float32")] if context else [])
    out = layer(*inputs)
    again = keras.layers.deserialize(keras.layers.serialize(layer))
    again(*inputs)
    again.set_weights(layer.get_weights())
    np.testing.assert_array_equal(again(*inputs), out)
    assert layer.compute_output_shape((3, 5)) == tuple(out.shape)


def test_a_predictor_starts_at_zero():
    assert not SyntheticGradient([4])(np.ones([3, 5], "float32")).numpy().any()


@pytest.mark.parametrize("context", [None, np.ones([3, 7], "float32")])
def test_a_context_of_another_width_is_refused_in_one_sentence(context):
    layer = SyntheticGradient()
    layer(np.ones([3, 5], "float32"), np.ones([3, 2], "float32"))
    width = 0 if context is None else 7
    with pytest.raises(InputError) as refused:
        layer(np.ones([3, 5], "float32"), context)
    assert str(refused.value) == f"context must have the width 2; received {width}."


def test_features_without_an_axis_of_units_are_refused():
    with pytest.raises(InputError, match="received rank 5"):
        SyntheticGradient().build((None, 4, 4, 4, 4))


def test_predictors_see_a_context_as_wide_as_the_outputs_unless_told_otherwise():
    widths = [
        cut(network(depth=1), ["relu_1"], loss=cross_entropy, **options).interfaces[0].gradient_predictor.context_width
        for options in ({}, {"context": 0}, {"context": 2})
    ]
    assert widths == [3, 0, 2]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"loss": "mse"}, "loss must be a function of targets and outputs; received 'mse'"),
        ({"optimizer": keras.optimizers.SGD()}, r"optimizer must be one of gradbook\.optimizers"),
    ],
)
def test_what_keras_compiles_with_is_referred_to_decoupled(options, sentence):
    with pytest.raises(InputError, match=f"{sentence}.*Decoupled takes"):
        cut(network(depth=1), ["relu_1"], **{"loss": cross_entropy} | options)


def test_probabilities_are_no_logits():
    model = keras.Sequential([keras.Input([5]), keras.layers.Dense(4, name="hidden"), keras.layers.Dense(3, "softmax")])
    with pytest.raises(InputError, match="must end in logits for cross_entropy"):
        cut(model, ["hidden"], loss=cross_entropy)


def test_a_layer_that_is_applied_twice_is_no_place_to_cut():
    x = keras.Input([4])
    shared = keras.layers.Dense(4, name="shared")
    with pytest.raises(InputError, match="'shared' is applied 2 times"):
        cut(keras.Model(x, keras.layers.Dense(3)(shared(shared(x)))), ["shared"], loss=cross_entropy)


def test_sequences_have_predictors_that_repeat_the_context_at_every_time():
    predictor = SyntheticGradient(initializer="glorot_uniform")
    features = np.random.default_rng(0).normal(size=(2, 6, 4)).astype("float32")
    context = np.eye(2, dtype="float32")
    given = predictor(features, context)
    assert given.shape == features.shape
    swapped = predictor(features, context[::-1])
    assert np.abs(given - swapped).min(axis=(1, 2)).max() > 0

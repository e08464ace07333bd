"""Every family: its weights, its variance, its gradient, and the plain convolution that it stands for."""

import math
import subprocess
import sys
import types

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from gradbook.errors import InputError
from gradbook.lowrank import convs
from gradbook.lowrank.convs import FAMILIES, Family, substitute
from gradbook.lowrank.convs.acdc import dct_matrix
from gradbook.lowrank.convs.groups import grouped
from gradbook.lowrank.convs.hashing import deal
from gradbook.lowrank.decompose import start_from

MADE = {name: family(family.example) for name, family in FAMILIES.items()} | {
    "grouped": substitute("grouped", 4),
    "bottleneck": substitute("bottleneck", 2),
    "bottleneck of groups": substitute("bottleneck", 2, group_size=4),
    "shuffle": substitute("shuffle", 4),
    "hashed": substitute("hashed", 0.1),
    "separable_hashed": substitute("separable_hashed", 0.2),
    "low_rank": substitute("low_rank", 0.25),
    "tied_low_rank": substitute("tied_low_rank", 0.25),
    "tucker": substitute("tucker", 0.5),
    "tucker with a train as core": substitute("tucker", 0.5, dimensions=4, core="train"),
    "tensor_train": substitute("tensor_train", 0.5, dimensions=4),
    "cp": substitute("cp", 2.0),
    "acdc": substitute("acdc", 3),
    "two butterflies": substitute("butterfly", 2),
    "lora": substitute("lora", 4, alpha=8),
}
LINEAR = [name for name in MADE if not name.startswith("bottleneck")]
by_family = pytest.mark.parametrize("family", MADE)
by_linear_family = pytest.mark.parametrize("family", LINEAR)


def noise(*shape):
    return np.random.default_rng(0).standard_normal(shape, np.float32)


def test_names_are_known_without_a_backend():
    code = "from gradbook.lowrank import FAMILIES; import sys; assert FAMILIES and 'keras' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_family_is_one_file_and_one_line(monkeypatch):
    own = types.ModuleType("gradbook.lowrank.convs.own")
    own.Own = type("Own", (convs.Separable,), {})
    monkeypatch.setitem(sys.modules, own.__name__, own)
    monkeypatch.setitem(FAMILIES, "own", Family("own", "own:Own"))
    assert isinstance(substitute("own")(8, 3), own.Own)


def test_what_a_family_says_of_its_hyperparameter_is_so():
    for family in FAMILIES.values():
        assert (family.hyperparameter is None) == (family.example is None)
        if family.hyperparameter:
            assert family.hyperparameter in family.layer.hyperparameters
            assert family.low <= family.example <= family.high
            family(family.high)(64, 3)


# c_in, c_out, k → weights, by hand
FORMULAS = {
    "plain": lambda i, o, k: k * k * i * o,
    "separable": lambda i, o, k: k * k * i + i * o,
    "grouped": lambda i, o, k: k * k * i * 4 + i * o,
    "bottleneck": lambda i, o, k: i * o // 2 + k * k * (o // 2) ** 2 + o // 2 * o + 4 * (o // 2),
    "bottleneck of groups": lambda i, o, k: i * o // 2 + k * k * (o // 2) * 4 + o // 2 * o + 4 * (o // 2),
    "shuffle": lambda i, o, k: (i * o // 4) // 4 + k * k * o // 4 + (o // 4 * o) // 4,
    "hashed": lambda i, o, k: k * k * i * o // 10 + o,
    "separable_hashed": lambda i, o, k: k * k * i + i * o // 5 + o,
    "low_rank": lambda i, o, k: k * k * i + max(i, o) // 4 * (i + o),
    "tied_low_rank": lambda i, o, k: k * k * i + max(i, o) // 4 * max(i, o),
    "acdc": lambda i, o, k: k * k * i + 6 * max(i, o),
    "butterfly": lambda i, o, k: k * k * i + 2 * 64 * 6,
    "two butterflies": lambda i, o, k: k * k * i + 2 * 2 * 64 * 6,
    "monarch": lambda i, o, k: k * k * i + 4 * (min(i, o) // 16) * (i + o),
    "block_tensor_train": lambda i, o, k: k * k * i + 2 * (NEAR_ROOT[o] * i + i // NEAR_ROOT[i] * o),
    "lora": lambda i, o, k: 4 * (k * k * i + o),
    "dora": lambda i, o, k: 4 * (k * k * i + o) + o,
}
NEAR_ROOT = {32: 4, 48: 6, 64: 8}


@pytest.mark.parametrize("family", FORMULAS)
@pytest.mark.parametrize(("channels", "filters"), [(32, 64), (64, 32), (48, 48)])
def test_the_formula_the_layer_and_the_hand_count_the_same_weights(family, channels, filters):
    layer = MADE[family](filters, 3)
    assert layer.n_parameters(channels) == FORMULAS[family](channels, filters, 3)
    layer.build((None, 8, 8, channels))
    assert sum(math.prod(weight.shape) for weight in layer.trainable_weights) == layer.n_parameters(channels)


def test_tensor_families_count_their_factors():
    # 64 · 64 = 16 · 16 · 16 in three dimensions, 8 · 8 · 8 · 8 in four; half the rank of each
    assert convs.Tucker(64, 1, rank=0.5, use_bias=False).n_parameters(64) == 3 * 16 * 8 + 8**3
    as_train = convs.Tucker(64, 1, rank=0.5, core="train", use_bias=False)
    assert as_train.bonds(64) == [1, 16, 8, 1]
    assert as_train.n_parameters(64) == 3 * 16 * 8 + 8 * 16 + 16 * 8 * 8 + 8 * 8
    assert convs.CanonicalPolyadic(64, 1, rank=0.5, use_bias=False).n_parameters(64) == 3 * 16 * 8
    train = convs.TensorTrain(64, 1, rank=0.5, dimensions=4, use_bias=False)
    assert train.n_parameters(64) == 2 * 8 * 4 + 2 * 4 * 8 * 4


@by_family
@pytest.mark.parametrize(("channels", "filters"), [(48, 96), (96, 48)])
def test_a_fresh_layer_spreads_noise_as_a_dense_one_does(family, channels, filters):
    keras.utils.set_random_seed(1)
    images = noise(4, 8, 8, channels)
    # training, so that batch normalisation does in a bottleneck what it does at the start
    powers = [np.square(MADE[family](filters, 3)(images, training=True)).mean() for _ in range(24)]
    assert np.mean(powers) == pytest.approx(convs.GAIN, rel=0.15)


@by_linear_family
@pytest.mark.parametrize(
    "form",
    [
        {"kernel_size": 3, "padding": "same"},
        {"kernel_size": 3, "strides": 2, "padding": "valid"},
        {"kernel_size": (3, 3), "strides": (2, 2), "padding": "same"},
        {"kernel_size": 3, "dilation_rate": 2, "padding": "same"},
        {"kernel_size": 1, "strides": 2, "padding": "same"},
    ],
)
def test_the_layer_is_the_convolution_with_its_dense_kernel(family, form):
    layer = MADE[family](24, **form)
    images = noise(2, 9, 10, 16)
    outputs = layer(images)
    assert outputs.shape == layer.compute_output_shape(images.shape)
    one = {name: value if isinstance(value, (int, str)) else value[0] for name, value in form.items()}
    dense = keras.ops.conv(
        images, layer.dense_kernel(), one.get("strides", 1), one["padding"], dilation_rate=one.get("dilation_rate", 1)
    )
    np.testing.assert_allclose(outputs, dense, atol=2e-5)


@by_family
@pytest.mark.parametrize("size", [1, 3])
def test_channels_are_last_whatever_keras_takes_for_the_default(family, size):
    images, layer = noise(2, 9, 10, 16), MADE[family](24, size, strides=2, padding="same")
    expected, before = layer(images), keras.config.image_data_format()
    keras.config.set_image_data_format("channels_first")
    try:
        np.testing.assert_array_equal(layer(images), expected)
    finally:
        keras.config.set_image_data_format(before)


@by_linear_family
def test_in_mixed_precision_the_dense_kernel_and_its_norm_are_those_of_single_precision(family):
    mixed, single = (MADE[family](24, 3, padding="same", dtype=policy) for policy in ("mixed_float16", "float32"))
    for layer in (mixed, single):
        layer.build((None, 9, 10, 16))
    single.set_weights(mixed.get_weights())
    assert mixed(noise(2, 9, 10, 16)).dtype == tf.float16
    np.testing.assert_array_equal(mixed.dense_kernel(), single.dense_kernel())
    assert float(mixed.squared_norm()) == float(single.squared_norm())


@by_family
def test_images_of_unknown_size_are_convolved(family):
    layer, images = MADE[family](24, 3, padding="same"), noise(2, 9, 10, 16)
    compiled = tf.function(layer, input_signature=[tf.TensorSpec([None, None, None, 16])])
    np.testing.assert_allclose(compiled(images), layer(images), atol=1e-5)


@pytest.mark.parametrize("policy", ["float16", "mixed_float16", "bfloat16", "float32"])
@pytest.mark.parametrize("size", [1e-4, 1.0, 200.0])
def test_norms_are_right_where_squares_of_half_precision_vanish_or_overflow(policy, size):
    kernel = size * noise(3, 3, 16, 8)
    kernel[..., 0] = 0
    layer = convs.DoRA(8, 3, rank=2, use_bias=False, dtype=policy)
    layer.build((None, 6, 6, 16))
    start_from(layer, kernel)
    images = noise(2, 6, 6, 16) / 16
    expected = keras.ops.convert_to_numpy(keras.ops.conv(images, kernel, 1, "valid"))
    found = keras.ops.convert_to_numpy(keras.ops.cast(layer(images), "float32"))
    np.testing.assert_allclose(found, expected, atol=0.02 * np.abs(expected).max())


def test_separable_is_keras_separable_convolution():
    images = noise(2, 9, 9, 16)
    ours = convs.Separable(24, 3, padding="same")
    theirs = keras.layers.SeparableConv2D(24, 3, padding="same")
    expected = ours(images)
    theirs.build(images.shape)
    depthwise, pointwise = (ours.factor[name] for name in ("depthwise", "pointwise"))
    theirs.set_weights([depthwise, pointwise[None, None], ours.bias])
    np.testing.assert_allclose(theirs(images), expected, atol=2e-5)


@by_family
def test_the_gradient_is_the_slope(family):
    keras.utils.set_random_seed(2)
    layer = MADE[family](16, 3, dtype="float64")
    images = noise(2, 6, 6, 16).astype(float)
    readout = np.random.default_rng(3).standard_normal((2, 4, 4, 16))
    layer(images)

    def loss():
        return keras.ops.sum(readout * layer(images, training=False))

    with tf.GradientTape() as tape:
        value = loss()
    gradients = tape.gradient(value, layer.trainable_weights)
    for weight, gradient in zip(layer.trainable_weights, gradients, strict=True):
        start = np.asarray(weight)
        direction = np.random.default_rng(4).standard_normal(start.shape)
        ends = []
        for step in (1e-6, -1e-6):
            weight.assign(start + step * direction)
            ends.append(float(loss()))
        weight.assign(start)
        slope = np.sum(np.asarray(tf.convert_to_tensor(gradient)) * direction)
        assert (ends[0] - ends[1]) / 2e-6 == pytest.approx(slope, rel=1e-5, abs=1e-6)


def test_saved_and_loaded_layers_do_the_same_and_files_hold_only_weights(tmp_path):
    images = keras.Input((8, 8, 16))
    layers = [make(16, 3, padding="same", activation="relu", name=f"conv_{i}") for i, make in enumerate(MADE.values())]
    model = keras.Model(images, [layer(images) for layer in layers])
    model.save(tmp_path / "model.keras")
    copy = keras.models.load_model(tmp_path / "model.keras")
    for one, other in zip(model(noise(1, 8, 8, 16)), copy(noise(1, 8, 8, 16)), strict=True):
        np.testing.assert_array_equal(one, other)
    for layer in copy.layers[1:]:
        moving = 2 * layer.inner * 2 if isinstance(layer, convs.Bottleneck) else 0
        frozen = 9 * 16 * 16 if isinstance(layer, convs.LoRA) else 0
        assert sum(math.prod(weight.shape) for weight in layer.weights) == layer.n_parameters(16) + moving + frozen


@given(weights=st.integers(1, 40), rows=st.integers(1, 12), columns=st.integers(1, 12), seed=st.integers(0, 9))
def test_a_hash_uses_every_weight_and_equally_often_up_to_one(weights, rows, columns, seed):
    uses = np.bincount(deal(weights, (rows, columns), seed).ravel(), minlength=weights)
    assert len(uses) == weights
    assert uses.max() - uses.min() <= 1
    assert (deal(weights, (rows, columns), seed) == deal(weights, (rows, columns), seed)).all()


def test_groups_one_at_a_time_are_groups():
    images = noise(2, 6, 6, 12)
    reference = keras.layers.Conv2D(24, 3, groups=3, use_bias=False)
    expected = reference(images)
    ours = grouped(images, reference.kernel, lambda image, kernel: keras.ops.conv(image, kernel, 1, "valid"))
    np.testing.assert_allclose(ours, expected, atol=1e-5)


@pytest.mark.parametrize(("filters", "channels", "groups"), [(64, 16, 8), (64, 12, 4), (40, 16, 2), (64, 9, 1)])
def test_shuffle_lowers_its_groups_until_they_divide(filters, channels, groups):
    assert convs.Shuffle(filters, 3, groups=8).actual_groups(channels) == groups


@given(size=st.integers(1, 50), link=st.integers(0, 5), order=st.sampled_from(list(convs.ORDERS)))
def test_orders_move_every_channel_to_one_place(size, link, order):
    assert sorted(convs.ORDERS[order](size, link)) == list(range(size))


def test_acdc_with_unit_diagonals_and_no_shuffling_does_nothing():
    layer = convs.ACDC(20, 1, layers=5, order="none", use_bias=False)
    layer.build((None, 4, 4, 20))
    for weight in layer.trainable_weights:
        weight.assign(np.ones(weight.shape))
    np.testing.assert_allclose(layer(noise(2, 4, 4, 20)), noise(2, 4, 4, 20), atol=1e-5)


@pytest.mark.parametrize(("channels", "filters"), [(24, 24), (24, 32), (32, 24)])
def test_acdc_folded_is_the_chain(channels, filters):
    layer = convs.ACDC(filters, 1, layers=3, use_bias=False)
    images = noise(2, 8, 8, channels)
    np.testing.assert_allclose(layer(images), layer.chain(images), atol=1e-5)


@pytest.mark.parametrize("order", convs.ORDERS)
def test_acdc_is_the_product_of_its_links(order):
    layer = convs.ACDC(12, 1, layers=3, order=order, use_bias=False)
    layer.build((None, 4, 4, 12))
    product, dct = np.eye(12), dct_matrix(12)
    for link in range(3):
        if link:
            product = product[:, convs.ORDERS[order](12, link)]
        a, d = (np.asarray(layer.factor[name])[link] for name in "ad")
        product = product * a @ dct.T * d @ dct
    np.testing.assert_allclose(layer.matrix(), product, atol=1e-5)


def test_the_cosine_matrix_is_orthonormal():
    np.testing.assert_allclose(dct_matrix(7) @ dct_matrix(7).T, np.eye(7), atol=1e-12)


def test_mult_adds_are_the_products_of_the_loops():
    image = (8, 8, 32)  # strided to 4 × 4
    form = {"filters": 64, "kernel_size": 3, "strides": 2, "padding": "same"}
    expected = {
        "plain": 9 * 32 * 64 * 16,
        "hashed": 9 * 32 * 64 * 16,
        "separable": (9 * 32 + 32 * 64) * 16,
        "tucker": (9 * 32 + 32 * 64) * 16,
        "grouped": (9 * 32 * 4 + 32 * 64) * 16,
        "low_rank": (9 * 32 + 16 * (32 + 64)) * 16,
        "shuffle": 32 * 16 // 4 * 64 + 9 * 16 * 16 + 16 * 64 // 4 * 16,
        "bottleneck": 32 * 32 * 64 + (9 * 32 * 32 + 32 * 64) * 16,
    }
    assert {name: MADE[name](**form).mult_adds(image) for name in expected} == expected


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: substitute("shufle", 4), "unknown convolution 'shufle'; did you mean 'shuffle'"),
        (lambda: substitute("separable", 2), "takes no value; received 2"),
        (lambda: substitute("shuffle"), "takes groups, a whole number; received None"),
        (lambda: substitute("shuffle", 2.5)(8, 3), "groups must be a whole number, 1 or more; received 2.5"),
        (lambda: substitute("shuffle", math.inf)(8, 3), "groups must be a whole number, 1 or more; received inf"),
        (lambda: substitute("low_rank", 0.5, order="none"), "convolution 'low_rank' has no order; received 'none'"),
        (lambda: substitute("hashed", 1.5)(8, 3), "ratio must lie above 0 and not above 1; received 1.5"),
        (lambda: substitute("grouped", 5)(8, 3).build((None, 4, 4, 8)), "divide the number of channels, 8; received 5"),
        (lambda: substitute("bottleneck", 3)(8, 3), "reduction must divide the number of channels, 8; received 3"),
        (lambda: substitute("shuffle", 2)(3, 3), "filters of a shuffle convolution must be 4 or more; received 3"),
        (lambda: substitute("acdc", 2, order="rifle")(8, 3), "did you mean 'riffle'"),
        (lambda: convs.Plain(8, (3, 5)), "kernel_size must be one number or two equal ones"),
        (lambda: convs.Plain(8, None), "kernel_size must be a whole number, 1 or more; received None"),
        (lambda: convs.Plain(8, 3, padding="full"), "padding must be 'valid' or 'same'; received 'full'"),
        (lambda: convs.Plain(4, 5).mult_adds((2, 2, 3)), "image must have the kernel's 5 pixels or more; received 2"),
    ],
)
def test_bad_input_is_one_sentence(make, sentence):
    with pytest.raises(InputError, match=sentence):
        make()

"""A network of one's own with fewer weights."""

import keras
import numpy as np
import pytest
from keras import layers

from gradbook.errors import InputError
from gradbook.lowrank import compress, count
from gradbook.lowrank.convs import FamilyDense, Tucker2, substitute
from gradbook.lowrank.decompose import start_from


def network(**options) -> keras.Model:
    """Everything that can stand in the way of being replaced."""
    keras.utils.set_random_seed(0)
    images = keras.Input((12, 12, 4), name="images")
    x = layers.Conv2D(16, 3, padding="same", name="stem")(images)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.Conv2D(24, 3, strides=2, padding="same", activation="relu", name="strided")(x)
    x = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    x = layers.Conv2D(24, 3, groups=4, padding="same", name="grouped")(x)
    x = layers.Conv2D(24, (3, 1), padding="same", name="tall")(x)
    x = layers.Conv2D(24, 3, kernel_regularizer="l2", padding="same", name="regularised")(x)
    inner = keras.Sequential([keras.Input((6, 6, 24)), layers.Conv2D(24, 3, dilation_rate=2, name="dilated")])
    inner.layers[-1].trainable = options.get("trainable", True)
    x = keras.ops.relu(inner(x))
    twice = layers.Conv2D(24, 1, name="twice")
    x = layers.Flatten()(twice(twice(x)))
    model = keras.Model(images, layers.Dense(5, activation="softmax", name="classifier")(x), name="mixed")
    random = np.random.default_rng(0)
    for weight in model.weights:
        if "seed" not in weight.name:
            weight.assign(0.2 * random.random(weight.shape) + (0.0 if len(weight.shape) > 1 else 0.5))
    return model


numbers = keras.ops.convert_to_numpy


def images(*shape) -> np.ndarray:
    return np.random.default_rng(1).standard_normal((3, *(shape or (12, 12, 4))), np.float32)


def test_what_can_be_is_replaced_and_the_rest_says_why_not():
    table = compress(network(), value=0.25, keep=["stem"], verbose=False).compression.set_index("layer")
    left = table.left[table.left != ""].to_dict()
    inner = next(name for name in table.index if name.endswith("dilated"))
    assert left == {
        "stem": "to be kept",
        "depthwise": "is a DepthwiseConv2D",
        "grouped": "has 4 groups",
        "tall": "its kernel_size is (3, 1)",
        "regularised": "has a kernel_regularizer",
    }
    assert set(table.index[table.became == "Tucker2"]) == {"strided", inner, "twice", "classifier"}


@pytest.mark.parametrize(
    ("family", "value", "left"),
    [
        ("shuffle", 1, "filters of a shuffle convolution must be 4 or more; received 3"),
        ("bottleneck", 2, "reduction must divide the number of channels, 3; received 2"),
    ],
)
def test_a_layer_whose_channels_do_not_suit_the_family_stays(family, value, left):
    old = keras.Sequential([keras.Input((8, 8, 32)), layers.Conv2D(32, 3), layers.Conv2D(3, 1)])
    table = compress(old, family, value=value, start="random", verbose=False).compression
    assert list(table.left) == ["", left]


@pytest.mark.parametrize("family", ["lora", "dora"])
def test_nothing_is_lost_where_the_kernel_is_kept(family):
    old = network()
    small = compress(old, family, value=3, verbose=False)
    assert (small.compression.became != "").any()
    np.testing.assert_allclose(numbers(small(images())), numbers(old(images())), atol=1e-5)


@pytest.mark.parametrize(("family", "value"), [("tucker2", 1.0), ("plain", None)])
def test_nothing_is_lost_at_a_family_s_upper_end(family, value):
    kernel = np.random.default_rng(0).standard_normal((3, 3, 8, 12), np.float32)
    layer = substitute(family, value)(12, 3, padding="same")
    layer.build((None, 6, 6, 8))
    start_from(layer, kernel)
    np.testing.assert_allclose(numbers(layer.dense_kernel()), kernel, atol=1e-5)


def test_the_best_of_a_matrix_is_its_first_singular_values():
    old = keras.Sequential([keras.Input((30,)), layers.Dense(20, activation="tanh", name="one")])
    small = compress(old, "low_rank", value=0.1, verbose=False)  # rank 3
    values = np.linalg.svd(numbers(old.layers[0].kernel), compute_uv=False)
    expected = np.sqrt((values[3:] ** 2).sum() / (values**2).sum())
    assert small.compression.error[0] == pytest.approx(expected, rel=1e-4)
    assert isinstance(small.layers[0], FamilyDense) and small.layers[0].convolution.activation.__name__ == "tanh"


def test_a_budget_is_met_and_everything_else_is_copied(tmp_path, capsys):
    old = network()
    before = [np.array(one) for one in old.get_weights()]
    small = compress(old, parameters=16_000, keep=["stem"])
    assert f"parameters: {count.parameters(old):,} before" in capsys.readouterr().out
    assert abs(count.parameters(small) - 16_000) < 400
    for name in ("stem", "norm", "grouped"):
        for one, other in zip(old.get_layer(name).get_weights(), small.get_layer(name).get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(numbers(small.get_layer("strided").bias), numbers(old.get_layer("strided").bias))
    assert small.get_layer("strided").strides == 2
    for one, other in zip(before, old.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    small.save(tmp_path / "small.keras")
    copy = keras.models.load_model(tmp_path / "small.keras")
    np.testing.assert_array_equal(numbers(copy(images())), numbers(small(images())))
    table = small.compression
    assert table.mult_adds_after.sum() == count.mult_adds(small)


def test_what_was_adapted_stays_so():
    rows = 5 + 3 * images(8)
    normal, inner = layers.Normalization(), layers.Normalization()
    old = keras.Sequential(
        [keras.Input((8,)), normal, keras.Sequential([keras.Input((8,)), inner, layers.Dense(4, name="wide")])]
    )
    normal.adapt(rows)
    inner.adapt(rows)
    small = compress(old, "lora", value=1, verbose=False)
    np.testing.assert_allclose(numbers(small(rows)), numbers(old(rows)), atol=1e-5)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="Keras looks words up on TensorFlow alone")
def test_a_vocabulary_stays():
    words = layers.TextVectorization(output_mode="multi_hot")
    words.adapt(["a b", "b c"])
    old = keras.Sequential([keras.Input((1,), dtype="string"), words, layers.Dense(3)])
    small = compress(old, "lora", value=1, verbose=False)
    texts = keras.ops.convert_to_tensor(np.array([["a c"], ["b"]], object), "string")
    np.testing.assert_allclose(small(texts), old(texts), atol=1e-5)


def test_a_mask_goes_through():
    sentences = np.array([[1, 2, 0, 0], [3, 0, 0, 0]])
    old = keras.Sequential(
        [keras.Input((4,)), layers.Embedding(5, 6, mask_zero=True), layers.Dense(6), layers.GlobalAveragePooling1D()]
    )
    small = compress(old, "lora", value=1, verbose=False)
    assert isinstance(small.layers[1], FamilyDense)
    np.testing.assert_allclose(numbers(small(sentences)), numbers(old(sentences)), atol=1e-6)


def test_a_layer_to_which_two_paths_lead_counts_once():
    shared, inputs = layers.Dense(32, name="shared"), keras.Input((32,))
    old = keras.Model(inputs, keras.Sequential([keras.Input((32,)), shared, layers.Dense(32)])(shared(inputs)))
    assert count.parameters(old) == 2112
    small = compress(old, "low_rank", 1000, verbose=False)
    assert abs(count.parameters(small) - 1000) < 70 and len(small.compression) == 3


def test_a_compiled_mixed_precision_network_and_dense_layers_of_three_axes():
    inputs = keras.Input((7, 32))
    x = layers.Dense(32, dtype="mixed_float16", name="wide")(inputs)
    old = keras.Model(inputs, layers.Dense(3, dtype="float32", name="last")(x))
    old.compile(loss=lambda y, z: 0.0)
    small = compress(old, "low_rank", value=0.1, verbose=False)
    assert small(images(7, 32)).shape == (3, 7, 3) and small.get_layer("wide").convolution.compute_dtype == "float16"


@pytest.mark.parametrize(
    "uncounted",
    [
        lambda: layers.LSTM(24, return_sequences=True),
        lambda: layers.Bidirectional(layers.GRU(12, return_sequences=True)),
        lambda: layers.EinsumDense("abc,cd->abd", output_shape=(7, 24)),
    ],
)
def test_a_layer_whose_work_nobody_counts_is_reported_without_it(uncounted, capsys):
    old = keras.Sequential([keras.Input((7, 16)), uncounted(), layers.Dense(32, name="wide"), layers.Dense(3)])
    table = compress(old, "low_rank", value=0.3).compression.set_index("layer")
    assert table.loc[old.layers[0].name, ["mult_adds", "mult_adds_after"]].isna().all()
    assert table.loc["wide", "mult_adds"] == 7 * 24 * 32 > table.loc["wide", "mult_adds_after"]
    assert " ? " in next(line for line in capsys.readouterr().out.splitlines() if old.layers[0].name in line)


def test_tucker_2_comes_nearer_with_more_rank():
    kernel = np.random.default_rng(0).standard_normal((3, 3, 16, 24))
    errors = []
    for rank in (0.3, 0.6, 1.0):
        layer = Tucker2(24, 3, rank=rank)
        layer.build((None, 8, 8, 16))
        errors.append(start_from(layer, kernel))
    assert 1 > errors[0] > errors[1] > errors[2] and errors[2] < 1e-6


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"parameters": 100}, r"parameters must be between [\d,]+ and [\d,]+, which rank of 'tucker2' reaches"),
        ({}, "'tucker2' takes parameters or value, one of them"),
        ({"family": "tuker2", "value": 1.0}, "unknown convolution 'tuker2'; did you mean 'tucker2'"),
        ({"value": 0.5, "keep": ["stim"]}, "unknown layer in keep 'stim'; did you mean 'stem'"),
        ({"value": 0.5, "keep": "stem"}, "keep must be a list of names; received 'stem'"),
        ({"value": 0.5, "start": "traned"}, "unknown start 'traned'; did you mean 'trained'"),
        ({"value": 2.0}, "rank must lie above 0 and not above 1; received 2.0"),
        ({"family": "lora", "value": 2, "alpha": 5000}, "alpha must lie above 0 and not above 1024; received 5000"),
        ({"family": "tucker", "parameters": 16_000, "dimensions": 1}, "dimensions must be 2 or more; received 1"),
        ({"family": "acdc", "value": 1}, "the nearest ACDC to a dense kernel is not known; start it at random"),
    ],
)
def test_what_cannot_be_is_one_sentence(given, sentence):
    with pytest.raises(InputError, match=sentence):
        compress(network(), verbose=False, **given)


def test_other_models_are_refused():
    class Own(keras.Model):
        pass

    with pytest.raises(InputError, match="network must be functional or sequential; received Own"):
        compress(Own(name="own"), value=0.5)
    with pytest.raises(InputError, match="which was never called"):
        compress(keras.Sequential([layers.Dense(3)]), value=0.5)


def test_frozen_layers_stay_and_random_starts_are_anew():
    table = compress(network(trainable=False), "acdc", value=1, start="random", verbose=False).compression
    assert "is frozen" in set(table.left) and "ACDC" in set(table.became)
    assert table.error.isna().all()


def test_a_network_of_keras_applications():
    old = keras.applications.MobileNetV2((32, 32, 3), 0.35, weights=None, classes=10)
    small = compress(old, parameters=200_000, keep=["Conv1", "predictions"], verbose=False)
    assert abs(count.parameters(small) - 200_000) < 4_000
    assert small(np.zeros((1, 32, 32, 3), np.float32)).shape == (1, 10)


def test_training_what_was_made_leaves_the_network_as_it_was():
    large = network()
    before = large.predict(images(), verbose=0)
    small = compress(large, value=0.5, verbose=False)
    small.compile("sgd", "sparse_categorical_crossentropy")
    small.fit(images(), np.arange(3), verbose=0)
    np.testing.assert_array_equal(large.predict(images(), verbose=0), before)

"""A model of one's own with gates: what is found, what is kept, training on any backend, and the way back."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from gradbook.errors import InputError
from gradbook.gradnets import (
    Cosine,
    Gate,
    GradualDropout,
    GradualReLU,
    Linear,
    Progress,
    gradual,
    late_form,
)

DRAW = np.random.default_rng(5)
IMAGES = DRAW.normal(size=(8, 8, 8, 3)).astype("float32")
TARGETS = DRAW.integers(0, 3, 8)


def hidden_everywhere():
    """A network with a ReLU in every place where one can hide, and other activations beside them."""
    x = inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, activation="relu", name="inside")(x)
    x = layers.BatchNormalization()(x)
    x = layers.Activation("relu6", name="activation")(x)
    x = layers.ReLU(max_value=2.0, negative_slope=0.1, threshold=0.5, name="settings")(x)
    x = ops.relu(x)
    x = ops.relu6(x - 0.1)
    inner = keras.Input((6, 6, 4))
    block = keras.Model(inner, layers.ReLU(name="deep")(layers.DepthwiseConv2D(3)(inner)), name="block")
    x = layers.Reshape((4, 16))(block(x))
    x = layers.TimeDistributed(layers.Dense(5, "relu"), name="wrapper")(x)
    tail = keras.Sequential([keras.Input((20,)), layers.Dense(6, "relu", name="tail")], name="end")
    x = tail(layers.Flatten()(x))
    x = layers.LeakyReLU(name="leaky")(layers.Dense(6, "tanh", name="other")(x))
    return keras.Model(inputs, layers.Dense(3, "softmax", name="answer")(x), name="mine")


def close(one, other, **options):
    np.testing.assert_allclose(*(ops.convert_to_numpy(values) for values in (one, other)), **options)


def gate_of(model):
    (gate,) = {id(part): part for part in model._flatten_layers() if isinstance(part, Gate)}.values()
    return gate


def small(activation="relu"):
    return keras.Sequential([keras.Input((4,)), layers.Dense(5, activation), layers.Dense(1)])


ROWS = DRAW.normal(size=(8, 4)).astype("float32")
HEIGHTS = ROWS[:, :1]


def test_every_relu_is_found_and_an_open_gate_is_the_network_itself(capsys):
    network = hidden_everywhere()
    model = gradual(network, 1.0)
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("8 gated: inside, activation, settings, ")
    assert printed[0].endswith(", deep, wrapper, tail")
    assert printed[1] == "3 left: other (tanh), leaky (LeakyReLU), answer (softmax)"
    close(model(IMAGES), network(IMAGES), rtol=1e-6)
    assert model.count_params() == network.count_params() + 1
    assert model.name == network.name


def test_a_closed_gate_is_the_linear_network():
    linear, relu = small("linear"), small()
    relu.set_weights(linear.get_weights())
    close(gradual(relu, 0.0)(ROWS), linear(ROWS), atol=1e-6)


def test_training_what_was_made_leaves_the_network_as_it_was():
    model = hidden_everywhere()
    before = model.predict(IMAGES, verbose=0)
    gated = gradual(model, gate=0.5)
    gated.compile("sgd", "sparse_categorical_crossentropy")
    gated.fit(IMAGES, TARGETS, verbose=0)
    np.testing.assert_array_equal(model.predict(IMAGES, verbose=0), before)


def test_settings_of_a_relu_are_those_of_keras():
    x = np.linspace(-3, 9, 49).astype("float32")
    for settings in ({"max_value": 6.0}, {"negative_slope": 0.2, "threshold": 1.0}):
        late = layers.ReLU(**settings)(x)
        close(GradualReLU(0.25, **settings)(x), 0.75 * x + 0.25 * ops.convert_to_numpy(late), atol=1e-6)
    with pytest.raises(InputError, match=r"max_value of a gated ReLU must be 0 or more; received -1"):
        GradualReLU(0.5, max_value=-1)


def test_the_way_back_has_the_network_s_weights_and_no_gate():
    network = hidden_everywhere()
    model = gradual(network, Linear(0.0, 0.5))
    with pytest.raises(InputError, match=r"is at 0\.00, where the late form computes something else"):
        late_form(model)
    gate_of(model).progress.assign(1.0)
    plain = late_form(model)
    assert not [part for part in plain._flatten_layers() if isinstance(part, Gate | GradualReLU)]
    assert plain.get_layer("inside").activation is keras.activations.relu
    assert plain.get_layer("settings").threshold == 0.5
    for ours, theirs in zip(plain.get_weights(), network.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    close(plain(IMAGES), network(IMAGES), rtol=1e-6)


def test_a_gate_that_single_precision_leaves_just_short_of_open_is_open():
    model = gradual(small(), Linear(0.09, 1.0))
    gate_of(model).progress.assign(1.0)
    assert float(ops.convert_to_numpy(gate_of(model).value)) < 1
    assert late_form(model).layers[0].activation is keras.activations.relu


def test_a_layer_that_is_called_twice_stays_one():
    shared, inputs = layers.Dense(4, "relu"), keras.Input((4,))
    network = keras.Model(inputs, shared(shared(inputs)))
    model = gradual(network, 1.0)
    assert len(model.trainable_variables) == 2
    close(model(ROWS), network(ROWS), rtol=1e-6)


def test_a_loss_that_cannot_be_copied_is_no_hindrance_and_the_network_stays_compiled():
    network = small()
    network.compile("sgd", lambda truth, found: ops.mean((truth - found) ** 2))
    assert not gradual(network).compiled
    assert network.compiled


def test_mobilenet_is_gated_and_comes_back(capsys):
    network = keras.applications.MobileNetV2(weights=None, input_shape=(32, 32, 3), classes=3)
    model = gradual(network, 1.0)
    assert capsys.readouterr().out.startswith("35 gated: Conv1_relu, expanded_conv_depthwise_relu, ")
    assert model.get_layer("Conv1_relu").relu["max_value"] == 6
    images = DRAW.normal(size=(2, 32, 32, 3)).astype("float32")
    close(model(images), network(images), atol=1e-6)
    close(late_form(model)(images), network(images), atol=1e-6)


@pytest.mark.parametrize("copy", ["clone_model", "file"])
def test_it_is_saved_and_cloned_with_one_gate(copy, tmp_path):
    model = gradual(hidden_everywhere(), Cosine())
    gate_of(model).progress.assign(0.3)
    if copy == "file":
        model.save(tmp_path / "model.keras")
        again = keras.models.load_model(tmp_path / "model.keras")
    else:
        again = keras.models.clone_model(model)
        again.set_weights(model.get_weights())
    assert gate_of(again).schedule == Cosine()
    close(again(IMAGES), model(IMAGES), rtol=1e-6)


@keras.saving.register_keras_serializable("tests")
class Witness(layers.Layer):
    """Passes its input on and writes the gate of every training step into a weight that the step itself counts."""

    def __init__(self, gate, steps=8, **options):
        super().__init__(**options)
        self.gate, self.steps = gate, steps

    def build(self, shape):
        self.step = self.add_weight(shape=(), initializer="zeros", trainable=False, name="step")
        self.seen = self.add_weight(shape=(self.steps,), initializer="zeros", trainable=False, name="seen")

    def call(self, x, training=False):
        if training:
            here = ops.cast(ops.arange(self.steps) == ops.cast(self.step, "int32"), "float32")
            self.seen.assign(self.seen + here * self.gate.value)
            self.step.assign(self.step + 1.0)
        return x

    def compute_output_shape(self, shape):
        return shape


def watched(**options):
    """A gated network of which the compiled step itself tells the gate, and that witness."""
    gate = Gate(Linear(0.0, 0.5))
    witness = Witness(gate)
    model = keras.Sequential([keras.Input((4,)), layers.Dense(5), GradualReLU(gate), witness, layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.01), "mse", **options)
    return model, witness


def test_the_compiled_step_has_the_right_gate_in_every_batch_on_every_backend():
    model, witness = watched()
    model.fit(ROWS, HEIGHTS, batch_size=2, epochs=2, verbose=0, callbacks=[Progress()])
    close(witness.seen, [0, 0.25, 0.5, 0.75, 1, 1, 1, 1], atol=1e-6)
    assert float(ops.convert_to_numpy(witness.gate.progress)) == 1
    assert np.isfinite(model.get_weights()[0]).all()


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="Keras on PyTorch takes one step per execution")
def test_with_several_steps_per_execution_the_gate_moves_once_in_so_many_and_not_beyond_1():
    model, witness = watched(steps_per_execution=3)
    model.fit(ROWS, HEIGHTS, batch_size=2, epochs=2, verbose=0, callbacks=[Progress()])
    seen = ops.convert_to_numpy(witness.seen)
    of_an_execution = (0.25, 0.75)  # callbacks are told its first step by old versions of Keras, then its last
    assert seen.tolist() in [[0, 0, 0, fourth, 1, 1, 1, last] for fourth in of_an_execution for last in (0, 1)]
    assert float(ops.convert_to_numpy(witness.gate.progress)) == 1


def test_a_second_fit_does_not_close_the_gate_unasked():
    model, witness = watched()
    model.fit(ROWS, HEIGHTS, batch_size=4, epochs=2, verbose=0, callbacks=[Progress()])
    with pytest.raises(InputError, match="a second fit would close the gates"):
        model.fit(ROWS, HEIGHTS, batch_size=4, epochs=2, verbose=0, callbacks=[Progress()])
    model.fit(ROWS, HEIGHTS, batch_size=4, epochs=3, initial_epoch=2, verbose=0, callbacks=[Progress()])
    witness.gate.progress.assign(0.0)
    model.fit(ROWS, HEIGHTS, batch_size=4, epochs=1, verbose=0, callbacks=[Progress()])


def test_an_early_stop_says_that_a_gate_is_half_open():
    model, _ = watched()
    stop = keras.callbacks.EarlyStopping("loss", min_delta=1e9, patience=0)
    with pytest.warns(UserWarning, match=r"ended at progress 0\.20, with the gate '.*' at 0\.40, on its way to 1\.00"):
        model.fit(ROWS, HEIGHTS, batch_size=4, epochs=10, verbose=0, callbacks=[Progress(), stop])


def test_a_gated_network_learns_in_half_precision():
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        network = keras.Sequential([keras.Input((4,)), layers.Dense(5, "relu"), layers.Dense(1, dtype="float32")])
        model = gradual(network)
        model.compile("sgd", "mse")
        model.fit(ROWS, HEIGHTS, epochs=2, verbose=0, callbacks=[Progress()])
        assert late_form(model).layers[0].compute_dtype == "float16"
    finally:
        keras.config.set_dtype_policy(policy)


class Subclassed(keras.Model):
    """A model whose inside nobody can see."""

    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(1, "relu")

    def call(self, x):
        return self.dense(x)


def test_what_cannot_be_gated_is_refused_in_one_sentence():
    subclassed = Subclassed()
    subclassed(ROWS)
    with pytest.raises(InputError, match=r"must be functional or Sequential, .* is a Subclassed"):
        gradual(subclassed)
    with pytest.raises(InputError, match="a Sequential that is not built"):
        gradual(keras.Sequential([layers.Dense(1, "relu")]))
    with pytest.raises(InputError, match=r"must have a ReLU; .* Left: dense.* \(tanh\)"):
        gradual(small("tanh"))
    other = keras.Sequential([keras.Input((4,)), GradualDropout(0.5, 1.0)])
    with pytest.raises(InputError, match=r"gated ReLUs only; .* is a GradualDropout"):
        late_form(other)


def test_a_layer_of_one_s_own_is_left_and_named(capsys):
    network = keras.Sequential([keras.Input((4,)), layers.Dense(4, "relu"), Mine(name="mine"), layers.Dense(1)])
    gradual(network)
    assert "1 left: mine (Mine, whose inside is not known)" in capsys.readouterr().out


def test_what_was_adapted_stays_so():
    rows = 5 + 3 * ROWS
    normal, inner = layers.Normalization(), layers.Normalization()
    network = keras.Sequential(
        [keras.Input((4,)), normal, keras.Sequential([keras.Input((4,)), inner, layers.Dense(4, "relu")])]
    )
    normal.adapt(rows)
    inner.adapt(rows)
    close(gradual(network, 1.0)(rows), network(rows), rtol=1e-6)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="Keras looks words up on TensorFlow alone")
def test_a_vocabulary_stays():
    words = layers.TextVectorization(output_mode="multi_hot")
    words.adapt(["a b", "b c"])
    network = keras.Sequential([keras.Input((1,), dtype="string"), words, layers.Dense(3, "relu")])
    texts = np.array([["a c"], ["b"]], object)
    close(
        gradual(network, 1.0)(ops.convert_to_tensor(texts, "string")), network(ops.convert_to_tensor(texts, "string"))
    )


@keras.saving.register_keras_serializable("tests")
class Mine(layers.Layer):
    """A layer with a ReLU that nobody can see."""

    def call(self, x):
        return ops.relu(x)

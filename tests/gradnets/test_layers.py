"""Layers that turn: their limits, their mixtures, their gradients, and what saving keeps of them."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from gradbook.errors import InputError
from gradbook.gradnets import (
    Cosine,
    Gate,
    Gradual,
    GradualBatchNormalization,
    GradualDepth,
    GradualDropout,
    GradualIdentity,
    GradualOptimizer,
    GradualPooling,
    GradualReLU,
    GradualSampling,
    Linear,
    Progress,
    gradual_mlp,
)

DRAW = np.random.default_rng(3)
ROWS = DRAW.normal(size=(8, 6)).astype(np.float32)
IMAGES = DRAW.normal(size=(4, 6, 6, 3)).astype(np.float32)

KINDS = {
    "Gradual": (lambda gate: Gradual(keras.layers.ReLU(), keras.layers.Dense(6, "tanh"), gate), ROWS),
    "GradualReLU": (GradualReLU, ROWS),
    "GradualIdentity": (lambda gate: GradualIdentity(gate, kernel_regularizer="l1"), ROWS),
    "GradualDepth": (lambda gate: GradualDepth(keras.layers.Dense(6), gate), ROWS),
    "GradualDropout": (lambda gate: GradualDropout(0.4, gate, seed=1), ROWS),
    "GradualBatchNormalization": (GradualBatchNormalization, ROWS),
    "GradualPooling": (lambda gate: GradualPooling(gate, pool_size=3), IMAGES),
    "GradualSampling": (lambda gate: GradualSampling(gate, seed=1), ROWS),
}
LIMITS = {
    "Gradual": (lambda layer, x: np.maximum(x, 0), lambda layer, x: layer.late(x)),
    "GradualReLU": (lambda layer, x: x, lambda layer, x: np.maximum(x, 0)),
    "GradualIdentity": (lambda layer, x: x, lambda layer, x: ops.relu(x @ layer.kernel.numpy() + layer.bias)),
    "GradualDepth": (lambda layer, x: x, lambda layer, x: layer.late(x)),
    "GradualDropout": (lambda layer, x: x, lambda layer, x: x),
    "GradualBatchNormalization": (lambda layer, x: x / np.sqrt(1 + 1e-3), lambda layer, x: x),
    "GradualPooling": (lambda layer, x: ops.average_pool(x, 3), lambda layer, x: ops.max_pool(x, 3)),
    "GradualSampling": (lambda layer, x: ops.sigmoid(x), lambda layer, x: ops.sigmoid(x)),
}
each_kind = pytest.mark.parametrize("kind", KINDS)


@each_kind
def test_keras_layer_checks(kind, tmp_path):
    make, x = KINDS[kind]
    layer = make(Linear(0, 0.5))
    symbolic = layer(keras.Input(x.shape[1:]))
    layer.gate.progress.assign(0.2)
    y = layer(x)
    assert tuple(symbolic.shape[1:]) == y.shape[1:] == tuple(layer.compute_output_shape(x.shape))[1:]
    assert y.dtype == tf.float32 and np.isfinite(y).all()

    again = type(layer).from_config(layer.get_config())
    configs = [each.get_config() for each in (again, layer)]
    for config in configs:
        del config["gate"]["shared_object_id"]
    assert configs[0] == configs[1]

    model = keras.Sequential([keras.Input(x.shape[1:]), layer])
    model.save(tmp_path / "model.keras")
    restored = keras.models.load_model(tmp_path / "model.keras")
    assert float(restored.layers[0].gate.value) == pytest.approx(0.4)
    np.testing.assert_array_equal(restored(x), model(x))


@each_kind
def test_half_precision_stays_half_precision(kind):
    make, x = KINDS[kind]
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        assert make(0.5)(x).dtype == tf.float16
    finally:
        keras.config.set_dtype_policy(policy)


@each_kind
def test_a_closed_gate_gives_the_early_form_and_an_open_one_the_late(kind):
    make, x = KINDS[kind]
    early, late, half = (make(gate) for gate in (0.0, 1.0, 0.5))
    for layer in (early, late, half):
        layer.build(x.shape)
        for weight, source in zip(layer.trainable_weights, early.trainable_weights, strict=True):
            weight.assign(source)
    first, second = LIMITS[kind]
    np.testing.assert_allclose(early(x), first(early, x), atol=1e-6)
    np.testing.assert_allclose(late(x), second(late, x), atol=1e-6)
    np.testing.assert_allclose(half(x), (early(x) + late(x)) / 2, atol=1e-6)


@settings(deadline=None, max_examples=25)
@given(st.floats(0, 1), st.lists(st.floats(-1e3, 1e3, width=32), min_size=1, max_size=8))
def test_the_grelu_is_a_leaky_relu_of_slope_one_minus_g(g, values):
    x = np.array(values, np.float32)
    leaky = keras.layers.LeakyReLU(negative_slope=1 - g)
    np.testing.assert_allclose(GradualReLU(g)(x), leaky(x), rtol=1e-5, atol=1e-5)


def test_the_gradual_identity_is_a_dense_block_that_fades_in():
    layer, block = GradualIdentity(0.3), keras.layers.Dense(6, "relu")
    depth = GradualDepth(block, 0.3)
    expected = depth(ROWS)
    layer.build(ROWS.shape)
    layer.kernel.assign(block.kernel)
    layer.bias.assign(block.bias)
    np.testing.assert_allclose(layer(ROWS), expected, atol=1e-6)


def test_unequal_shapes_are_refused_with_both_of_them():
    layer = Gradual(keras.layers.Dense(3), keras.layers.Dense(4), 0.5)
    with pytest.raises(InputError, match=r"one shape; for \(8, 6\) they give \(8, 3\) and \(8, 4\)"):
        layer(ROWS)
    with pytest.raises(InputError, match=r"\(8, 6\) and \(8, 5\)"):
        GradualDepth(keras.layers.Dense(5), 0.5)(ROWS)


@pytest.mark.parametrize("rate", [-0.1, 1.0, 2.0])
def test_impossible_rates_are_refused(rate):
    with pytest.raises(InputError, match=rf"rate must be in \[0, 1\); got {rate}"):
        GradualDropout(rate, 0.5)


def test_impossible_gates_are_refused_by_layers_too():
    with pytest.raises(InputError, match=r"must be in \[0, 1\]; got 2"):
        GradualReLU(2.0)


def test_dropout_drops_the_gated_share_and_keeps_the_mean():
    x = np.ones((400, 500), np.float32)
    y = GradualDropout(0.4, 0.5, seed=0)(x, training=True).numpy()
    assert (y == 0).mean() == pytest.approx(0.2, abs=0.005)
    assert y.mean() == pytest.approx(1, abs=0.01)
    np.testing.assert_array_equal(GradualDropout(0.4, 0.0)(x, training=True), x)


def test_samples_are_zeros_and_ones_with_the_right_mean_and_the_gradient_is_the_sigmoids():
    x = tf.fill((300, 300), 0.5)
    layer = GradualSampling(1.0, seed=0)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        drawn, smooth = layer(x, training=True), ops.sigmoid(x)
    assert set(np.unique(np.round(drawn, 6))) == {0, 1}
    assert np.mean(drawn) == pytest.approx(float(smooth[0, 0]), abs=0.01)
    np.testing.assert_allclose(tape.gradient(drawn, x), tape.gradient(smooth, x), rtol=1e-6)


def test_batch_normalisation_normalises_only_while_the_gate_is_closed():
    x = 5 + 3 * ROWS
    closed = GradualBatchNormalization(0.0)(x, training=True).numpy()
    np.testing.assert_allclose([closed.mean(), closed.std()], [0, 1], atol=1e-2)
    np.testing.assert_array_equal(GradualBatchNormalization(1.0)(x, training=True), x)


def test_layers_share_a_gate_and_progress_advances_it_in_fit(tmp_path):
    gate = Gate(Linear(0, 0.5))
    model = keras.Sequential([keras.Input((6,)), GradualReLU(gate), keras.layers.Dense(1), GradualReLU(gate)])
    model.compile("sgd", "mse")
    seen = []
    watch = keras.callbacks.LambdaCallback(on_train_batch_begin=lambda batch, logs: seen.append(float(gate.value)))
    target = np.zeros((8, 1), np.float32)
    model.fit(ROWS, target, batch_size=2, epochs=2, verbose=0, callbacks=[Progress(), watch])
    np.testing.assert_allclose(seen, [0, 0.25, 0.5, 0.75, 1, 1, 1, 1])
    assert float(gate.progress.value) == 1

    model.save(tmp_path / "model.keras")
    restored = keras.models.load_model(tmp_path / "model.keras")
    first, second = restored.layers[0].gate, restored.layers[2].gate
    assert first is second and float(first.progress.value) == 1 and first.schedule == gate.schedule

    seen.clear()
    model.fit(ROWS, target, batch_size=4, epochs=4, initial_epoch=2, verbose=0, callbacks=[Progress(), watch])
    np.testing.assert_allclose(seen, [1, 1, 1, 1])


def test_a_gate_advances_in_a_compiled_loop():
    layer = GradualReLU(Cosine())

    @tf.function(jit_compile=True)
    def loop():
        total = tf.zeros(())
        for step in tf.range(5):
            layer.gate.progress.assign(tf.cast(step, tf.float32) / 4)
            total += tf.reduce_sum(layer(tf.constant([-1.0])))
        return total

    assert float(loop()) == pytest.approx(-np.sum(1 - Cosine()(np.arange(5) / 4)), abs=1e-6)


def test_progress_refuses_a_model_without_gates_and_data_without_length():
    plain = keras.Sequential([keras.Input((6,)), keras.layers.Dense(1)])
    plain.compile("sgd", "mse")
    with pytest.raises(InputError, match="has no gate"):
        plain.fit(ROWS, ROWS[:, :1], verbose=0, callbacks=[Progress()])
    gated = keras.Sequential([keras.Input((6,)), GradualReLU(Linear())])
    gated.compile("sgd", "mse")
    endless = tf.data.Dataset.from_generator(
        lambda: iter([(ROWS, ROWS)]), output_signature=(tf.TensorSpec((8, 6)), tf.TensorSpec((8, 6)))
    )
    with pytest.raises(InputError, match="steps_per_epoch"):
        gated.fit(endless, verbose=0, callbacks=[Progress()])


def test_the_optimisers_published_running_sum():
    theta, gradient = keras.Variable(0.0), [ops.array(1.0)]
    gate = Gate(Linear())
    optimizer = GradualOptimizer(Add(-1.0), Add(1.0), gate)
    seen = []
    for g in (0, 0.25, 1, 1):
        gate.progress.assign(g)
        optimizer.apply(gradient, [theta])
        seen.append(float(theta.value))
    np.testing.assert_allclose(seen, [-1, -1.5, -0.5, 0.5], atol=1e-6)


@keras.saving.register_keras_serializable("tests")
class Add(keras.optimizers.Optimizer):
    """Adds one number to every variable, whatever the gradient."""

    def __init__(self, amount, **options):
        super().__init__(learning_rate=1.0, **options)
        self.amount = amount

    def update_step(self, gradient, variable, learning_rate):
        variable.assign_add(self.amount * ops.ones_like(variable))


@pytest.mark.parametrize(("g", "same"), [(0.0, "adam"), (1.0, "sgd")])
def test_an_optimiser_at_a_limit_is_the_one_of_the_two(g, same):
    def trained(optimizer):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(4, "tanh"), keras.layers.Dense(1)])
        model.compile(optimizer, "mse")
        model.fit(ROWS, ROWS[:, :1], batch_size=4, epochs=3, shuffle=False, verbose=0)
        return model.get_weights()

    both = GradualOptimizer(keras.optimizers.Adam(0.01), keras.optimizers.SGD(0.1), g)
    alone = {"adam": keras.optimizers.Adam(0.01), "sgd": keras.optimizers.SGD(0.1)}[same]
    for got, expected in zip(trained(both), trained(alone), strict=True):
        np.testing.assert_allclose(got, expected, atol=1e-6)


def test_an_optimiser_is_saved_with_its_slots_and_its_progress(tmp_path):
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(1)])
    model.compile(GradualOptimizer(keras.optimizers.Adam(0.01), keras.optimizers.SGD(0.1, 0.9), Linear()), "mse")
    target = ROWS[:, :1]
    model.fit(ROWS, target, batch_size=4, epochs=2, verbose=0, callbacks=[Progress()])
    model.save(tmp_path / "model.keras")
    restored = keras.models.load_model(tmp_path / "model.keras")
    pairs = list(zip(model.optimizer.variables, restored.optimizer.variables, strict=True))
    assert len(pairs) > 6
    for variable, again in pairs:
        np.testing.assert_array_equal(variable.numpy(), again.numpy())
    for trained in (model, restored):
        trained.fit(ROWS, target, batch_size=4, epochs=1, shuffle=False, verbose=0)
    np.testing.assert_array_equal(model.get_weights()[0], restored.get_weights()[0])


def test_the_network_has_the_published_size_and_one_gate():
    model = gradual_mlp()
    assert sum(weight.numpy().size for weight in model.trainable_weights) == 162_160
    assert len(model.non_trainable_weights) == 1


def test_the_penalty_is_that_of_the_mean_weight():
    model = gradual_mlp(depth=5, width=7, inputs=4, penalty=50)
    hidden = [layer.kernel.numpy() for layer in model.layers if isinstance(layer, GradualIdentity)]
    assert float(sum(model.losses)) == pytest.approx(50 * np.abs(hidden).mean(), rel=1e-5)


def test_a_network_without_hidden_layers_is_refused():
    with pytest.raises(InputError, match=r"depth must be at least 3, .*; got 2"):
        gradual_mlp(depth=2)

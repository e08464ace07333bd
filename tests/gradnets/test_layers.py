"""Layers that turn: their limits, their mixtures, their gradients, and what saving keeps of them."""

import json
import warnings
from zipfile import ZipFile

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops
from keras.src.testing import TestCase

from gradbook import gradnets
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
IMAGES = DRAW.normal(size=(4, 8, 8, 3)).astype(np.float32)

KINDS = {
    "Gradual": (lambda gate, **o: Gradual(keras.layers.ReLU(**o), keras.layers.Dense(6, "tanh", **o), gate, **o), ROWS),
    "GradualReLU": (GradualReLU, ROWS),
    "GradualIdentity": (lambda gate, **o: GradualIdentity(gate, kernel_regularizer="l1", **o), ROWS),
    "GradualDepth": (lambda gate, **o: GradualDepth(keras.layers.Dense(6, **o), gate, **o), ROWS),
    "GradualDropout": (lambda gate, **o: GradualDropout(0.4, gate, seed=1, **o), ROWS),
    "GradualBatchNormalization": (GradualBatchNormalization, ROWS),
    "GradualPooling": (lambda gate, **o: GradualPooling(gate, pool_size=2, **o), IMAGES),
    "GradualSampling": (lambda gate, **o: GradualSampling(gate, seed=1, **o), ROWS),
}
LIMITS = {
    "Gradual": (lambda layer, x: np.maximum(x, 0), lambda layer, x: layer.late(x)),
    "GradualReLU": (lambda layer, x: x, lambda layer, x: np.maximum(x, 0)),
    "GradualIdentity": (lambda layer, x: x, lambda layer, x: ops.relu(x @ layer.kernel.numpy() + layer.bias)),
    "GradualDepth": (lambda layer, x: x, lambda layer, x: layer.late(x)),
    "GradualDropout": (lambda layer, x: x, lambda layer, x: x),
    "GradualBatchNormalization": (lambda layer, x: x / np.sqrt(1 + 1e-3), lambda layer, x: x),
    "GradualPooling": (lambda layer, x: ops.average_pool(x, 2), lambda layer, x: ops.max_pool(x, 2)),
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

    assert type(layer).from_config(layer.get_config()).get_config() == layer.get_config()

    model = keras.Sequential([keras.Input(x.shape[1:]), layer])
    model.save(tmp_path / "model.keras")
    restored = keras.models.load_model(tmp_path / "model.keras")
    assert float(restored.layers[0].gate.value) == pytest.approx(0.4)
    np.testing.assert_array_equal(restored(x), model(x))


@pytest.mark.filterwarnings("ignore:The model does not have any trainable weights")  # Keras trains each kind alone
@pytest.mark.filterwarnings("ignore:.*shuffle=True. was passed")  # and does not say that its data are a generator
@each_kind
def test_keras_own_test_of_layers(kind):
    make, x = KINDS[kind]
    config = make(Linear(0, 0.5)).get_config()
    options = {name: value for name, value in config.items() if name not in ("name", "trainable", "dtype", "gate")}
    case = TestCase()
    case.setUp()
    case.run_layer_test(
        getattr(gradnets, kind),
        {**keras.saving.deserialize_keras_object(options), "gate": Linear(0, 0.5)},
        input_data=x,
        expected_output_shape=make(0.0).compute_output_shape(x.shape),
    )


@each_kind
def test_two_saves_of_a_model_are_the_same_bytes_and_hold_no_address(kind, tmp_path):
    make, x = KINDS[kind]
    gate = Gate(Linear(0, 0.5))
    model = keras.Sequential([keras.Input(x.shape[1:]), make(gate), make(gate)])
    saved = []
    for name in ("one.keras", "two.keras"):
        model.save(tmp_path / name)
        with ZipFile(tmp_path / name) as archive:
            saved.append({part: archive.read(part) for part in ("config.json", "model.weights.h5")})
    assert saved[0] == saved[1]
    gates = [layer["config"]["gate"] for layer in json.loads(saved[0]["config.json"])["config"]["layers"][1:]]
    assert gates[0].pop("holder") != gates[1].pop("holder")
    assert gates[0] == gates[1] and gates[0]["shared_object_id"] == gate.shared_id
    assert "shared_object_id" not in json.dumps(gates[0]["config"]["schedule"])


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
def test_a_layer_of_double_precision_is_so_throughout(kind):
    make, x = KINDS[kind]
    precise, x = make(0.5, dtype="float64"), tf.constant(x, tf.float64) + 1 / 3
    found = precise(x)
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float64")
    try:
        everywhere = make(0.5)
        everywhere.build(x.shape)
        everywhere.set_weights(precise.get_weights())
        np.testing.assert_allclose(found, everywhere(x), rtol=1e-14)
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
    with pytest.raises(InputError, match=rf"rate must be in \[0, 1\); received {rate}"):
        GradualDropout(rate, 0.5)


def test_impossible_gates_are_refused_by_layers_too():
    with pytest.raises(InputError, match=r"must be in \[0, 1\]; received 2"):
        GradualReLU(2.0)


def test_dropout_drops_the_gated_fraction_and_keeps_the_mean():
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


def test_gates_that_single_precision_rounds_are_neither_open_too_early_nor_left_on_their_way():
    held = [number / 20 for number in range(21)]
    opening = [schedule(0, end) for schedule in (Linear, Cosine) for end in (0.3, 1.0, 1.1, 1.2, 1.7, 3.0)]
    gated = [GradualReLU(gate) for gate in (*held, *opening)]
    model = keras.Sequential([keras.Input((6,)), *gated, keras.layers.Dense(1)])
    model.compile("sgd", "mse", run_eagerly=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(ROWS, ROWS[:, :1], batch_size=3, verbose=0, callbacks=[Progress()])
    with pytest.raises(InputError, match="a second fit would close the gates") as refusal:
        model.fit(ROWS, ROWS[:, :1], verbose=0, callbacks=[Progress()])
    assert [layer.gate.name in str(refusal.value) for layer in gated] == [False] * len(held) + [True] * len(opening)


@pytest.mark.parametrize("kind", ["float16", "bfloat16", "float32"])
def test_small_rates_are_those_asked_for_in_any_precision(kind):
    x = keras.ops.ones((400_000,), kind)
    kept = GradualDropout(0.5, 0.002, seed=0, dtype=kind)(x, training=True)
    assert np.mean(np.asarray(kept, np.float32) == 0) == pytest.approx(0.001, rel=0.2)
    sampled = GradualSampling(1.0, seed=0, dtype=kind)(-6 * x, training=True)
    assert np.mean(np.asarray(sampled, np.float32)) == pytest.approx(0.0025, rel=0.2)


def branches(gate):
    """Layers that share a gate side by side, and one of them inside a block."""
    x = keras.Input((6,))
    block = keras.Sequential([keras.Input((6,)), keras.layers.Dense(6), GradualReLU(gate)])
    parts = [GradualReLU(gate)(x), GradualDropout(0.5, gate)(x), GradualDepth(block, 0.5)(x)]
    return keras.Model(x, keras.layers.Add()(parts))


def gates(model):
    return {id(layer): layer for layer in model._flatten_layers() if isinstance(layer, Gate)}.values()


RESTORE = {
    "clone_model": lambda model, folder: keras.models.clone_model(model),
    "from_config": lambda model, folder: type(model).from_config(model.get_config()),
    "model_from_json": lambda model, folder: keras.models.model_from_json(model.to_json()),
    ".keras": lambda model, folder: saved_and_loaded(model, folder / "model.keras"),
    ".h5": lambda model, folder: saved_and_loaded(model, folder / "model.h5"),
}


def saved_and_loaded(model, path):
    model.save(path)
    return keras.models.load_model(path)


@pytest.mark.parametrize("way", RESTORE)
def test_a_shared_gate_is_shared_again_however_a_model_is_restored(way, tmp_path):
    model = branches(Gate(Linear(0, 0.5), name="shared"))
    models = [model, *(RESTORE[way](model, tmp_path) for _ in range(2))]
    found = [[gate for gate in gates(one) if gate.name == "shared"] for one in models]
    assert [len(each) for each in found] == [1, 1, 1]
    assert len({id(gate) for (gate,) in found}) == 3
    assert all(gate.schedule == Linear(0, 0.5) for (gate,) in found)
    for restored in models[1:]:
        restored.set_weights(model.get_weights())
        np.testing.assert_array_equal(restored(ROWS), model(ROWS))


def test_two_gates_of_one_name_stay_two(tmp_path):
    first, second = (Gate(Linear(0, 0.5), name="gate") for _ in range(2))
    model = keras.Sequential([keras.Input((6,)), GradualReLU(first), GradualReLU(second)])
    second.progress.assign(0.25)
    for way in (".keras", "from_config"):
        restored = RESTORE[way](model, tmp_path)
        restored.set_weights(model.get_weights())
        assert [float(layer.gate.value) for layer in restored.layers] == [0, 0.5]


def test_holders_of_one_name_share_their_gate_again():
    gate, x = Gate(Linear(0, 0.5)), keras.Input((6,))
    inner = [keras.Sequential([keras.Input((6,)), GradualReLU(gate, name="relu")]) for _ in range(2)]
    clones = [keras.models.clone_model(keras.Model(x, inner[1](inner[0](x)))) for _ in range(2)]
    assert [len(gates(clone)) for clone in clones] == [1, 1]


def test_a_gate_is_not_rounded_to_half_precision():
    layer = GradualReLU(Gate(Linear(0, 1)), dtype="mixed_float16")
    layer.gate.progress.assign(0.9999)
    seen = []
    layer.mix = lambda early, late: seen.append(layer.gate.value) or early
    layer(ROWS)
    assert float(seen[0]) == np.float32(0.9999)


MASKED = {
    "GradualDropout": lambda: GradualDropout(0.5, 0.5),
    "GradualIdentity": lambda: GradualIdentity(0.5),
    "GradualSampling": lambda: GradualSampling(0.5),
    "GradualBatchNormalization": lambda: GradualBatchNormalization(0.5),
    "Gradual": lambda: Gradual(keras.layers.ReLU(), keras.layers.Dense(3), 0.5),
}


@pytest.mark.parametrize("kind", MASKED)
def test_a_mask_goes_through(kind):
    words, average = np.array([[1, 2, 0, 0], [3, 0, 0, 0]]), keras.layers.GlobalAveragePooling1D()
    embedding, layer = keras.layers.Embedding(5, 3, mask_zero=True), MASKED[kind]()
    found = keras.Sequential([embedding, layer, average])(words)
    expected = average(layer(embedding(words)), mask=ops.convert_to_tensor(words > 0))
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_a_layer_that_ends_a_sequence_ends_its_mask():
    layer = Gradual(keras.layers.LSTM(3), keras.layers.GlobalAveragePooling1D(), 0.5)
    found = layer(keras.layers.Embedding(5, 3, mask_zero=True)(np.array([[1, 2, 0, 0]])))
    assert getattr(found, "_keras_mask", None) is None


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
        gated.fit(endless, shuffle=False, verbose=0, callbacks=[Progress()])


def test_the_optimizers_published_running_sum():
    theta, gradient = keras.Variable(0.0), [ops.array(1.0)]
    gate = Gate(Linear())
    optimizer = GradualOptimizer(Add(-1.0), Add(1.0), gate)
    seen = []
    for g in (0, 0.25, 1, 1):
        gate.progress.assign(g)
        optimizer.apply(gradient, [theta])
        seen.append(float(theta.value))
    np.testing.assert_allclose(seen, [-1, -1.5, -0.5, 0.5], atol=1e-6)


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
@pytest.mark.parametrize("shared", [True, False])
def test_progress_drives_the_gates_of_layers_and_of_the_optimizer(policy, shared, tmp_path):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        gate = Gate(Linear(0, 0.5), name="a gate")
        other = gate if shared else Gate(Linear(0, 0.25), name="another")
        last = keras.layers.Dense(1, dtype="float32")
        model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(4), GradualReLU(gate), last])
        start = model.get_weights()
        inner = GradualOptimizer(keras.optimizers.Adam(0.1), keras.optimizers.SGD(0.1), other)
        model.compile(GradualOptimizer(inner, keras.optimizers.SGD(0.1), 0.5), "mse")
        model.fit(ROWS, ROWS[:, :1], batch_size=4, epochs=10, verbose=0, callbacks=[Progress()])
        assert float(gate.progress) == float(other.progress) == 1
        assert np.abs(model.get_weights()[0] - start[0]).max() > 0

        model.save(tmp_path / "model.keras")
        restored = keras.models.load_model(tmp_path / "model.keras")
    finally:
        keras.config.set_dtype_policy(before)
    optimizer = getattr(restored.optimizer, "inner_optimizer", restored.optimizer)
    assert (optimizer.early.gate is restored.layers[1].gate) == shared


def test_a_learning_rate_that_would_change_nothing_is_refused():
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(1)])
    model.compile(GradualOptimizer(keras.optimizers.Adam(), keras.optimizers.SGD(), 0.5), "mse")
    scheduler = keras.callbacks.LearningRateScheduler(lambda epoch: 0.1)
    with pytest.raises(InputError, match=r"learning_rate of a GradualOptimizer .* received 0\.1"):
        model.fit(ROWS, ROWS[:, :1], verbose=0, callbacks=[scheduler])


@pytest.mark.parametrize(
    ("inner", "what"),
    [
        (keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD()), "scales the loss"),
        (keras.optimizers.SGD(loss_scale_factor=8.0), "scales the loss"),
        (keras.optimizers.SGD(use_ema=True), "averages weights"),
    ],
)
def test_an_inner_optimizer_whose_wishes_would_be_ignored_is_refused(inner, what):
    with pytest.raises(InputError, match=rf"late must be without loss scaling and use_ema; received one that {what}"):
        GradualOptimizer(keras.optimizers.SGD(), inner, 0.5)


@keras.saving.register_keras_serializable("tests")
class Add(keras.optimizers.Optimizer):
    """Adds one number to every variable, whatever the gradient."""

    def __init__(self, amount, **options):
        super().__init__(learning_rate=1.0, **options)
        self.amount = amount

    def update_step(self, gradient, variable, learning_rate):
        variable.assign_add(self.amount * ops.ones_like(variable))


@pytest.mark.parametrize(("g", "same"), [(0.0, "adam"), (1.0, "sgd")])
def test_an_optimizer_at_a_limit_is_the_one_of_the_two(g, same):
    def trained(optimizer):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(4, "tanh"), keras.layers.Dense(1)])
        model.compile(optimizer, "mse")
        model.fit(ROWS, ROWS[:, :1], batch_size=4, epochs=3, shuffle=False, verbose=0)
        return model.get_weights()

    both = GradualOptimizer(keras.optimizers.Adam(0.01), keras.optimizers.SGD(0.1), g)
    alone = {"adam": keras.optimizers.Adam(0.01), "sgd": keras.optimizers.SGD(0.1)}[same]
    for received, expected in zip(trained(both), trained(alone), strict=True):
        np.testing.assert_allclose(received, expected, atol=1e-6)


def test_an_optimizer_is_saved_with_its_state_and_its_progress(tmp_path):
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
    with pytest.raises(InputError, match=r"depth must be at least 3, .*; received 2"):
        gradual_mlp(depth=2)

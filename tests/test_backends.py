"""What gates, layers, aggregators and optimizers do on the backend that Keras runs on here, whichever it is."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from gradbook.auxiliary.aggregation import AGGREGATORS, aggregate
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
    Step,
)
from gradbook.lowrank.convs import FAMILIES
from gradbook.lowrank.distill import attention

DRAW = np.random.default_rng(3)
ROWS, IMAGES = DRAW.normal(size=(8, 6)).astype("float32"), DRAW.normal(size=(4, 8, 8, 8)).astype("float32")
KINDS = {
    "Gradual": lambda gate: Gradual(layers.ReLU(), layers.Activation("tanh"), gate),
    "GradualReLU": lambda gate: GradualReLU(gate, max_value=1.0, negative_slope=0.1),
    "GradualIdentity": GradualIdentity,
    "GradualDepth": lambda gate: GradualDepth(layers.Dense(6), gate),
    "GradualDropout": lambda gate: GradualDropout(0.4, gate, seed=1),
    "GradualBatchNormalization": GradualBatchNormalization,
    "GradualSampling": lambda gate: GradualSampling(gate, seed=1),
    "GradualPooling": GradualPooling,
}


def numbers(tensor):
    return ops.convert_to_numpy(tensor)


@pytest.mark.parametrize("schedule", [Linear(0.1, 0.8), Cosine(), Step(0.5)], ids=repr)
def test_schedules_give_tensors_what_they_give_numbers(schedule):
    progress = np.linspace(0, 1.2, 13).astype("float32")
    found = schedule(ops.convert_to_tensor(progress))
    assert ops.is_tensor(found)
    np.testing.assert_allclose(numbers(found), schedule(progress), atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_gated_layer_is_the_mixture_of_its_limits_and_learns(kind):
    gate = Gate(Linear(0.0, 1.0))
    inputs = IMAGES if kind == "GradualPooling" else ROWS
    model = keras.Sequential([keras.Input(inputs.shape[1:]), KINDS[kind](gate), layers.Flatten(), layers.Dense(1)])
    outputs = []
    for progress in (0.0, 0.25, 1.0):
        gate.progress.assign(progress)
        outputs.append(numbers(model(inputs)))
    np.testing.assert_allclose(outputs[1], 0.75 * outputs[0] + 0.25 * outputs[2], atol=1e-5)
    gate.progress.assign(0.0)
    model.compile("sgd", "mse")
    before = [np.array(w) for w in map(numbers, model.trainable_variables)]
    history = model.fit(inputs, inputs.reshape(len(inputs), -1)[:, :1], epochs=2, verbose=0, callbacks=[Progress()])
    assert np.isfinite(history.history["loss"]).all()
    assert all((a != b).any() for a, b in zip(before, map(numbers, model.trainable_variables), strict=True))


def test_an_optimizer_shares_the_gate_of_a_layer():
    def made():
        gate = Gate(Step(0.5))
        model = keras.Sequential([keras.Input((6,)), GradualReLU(gate), layers.Dense(1, kernel_initializer="ones")])
        return gate, model

    gate, model = made()
    model.compile(GradualOptimizer(keras.optimizers.SGD(0.0), keras.optimizers.SGD(0.1), gate), "mse")
    model.fit(ROWS, ROWS[:, :1], batch_size=2, epochs=2, shuffle=False, verbose=0, callbacks=[Progress()])
    assert float(numbers(gate.progress)) == 1
    open_gate, late = made()
    open_gate.progress.assign(1.0)
    late.compile(keras.optimizers.SGD(0.1), "mse")
    late.fit(ROWS, ROWS[:, :1], batch_size=2, epochs=1, shuffle=False, verbose=0)
    for one, other in zip(model.trainable_variables, late.trainable_variables, strict=True):
        np.testing.assert_allclose(numbers(one), numbers(other), atol=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_layer_of_a_family_is_a_convolution_with_its_dense_kernel_if_it_has_one(family):
    keras.utils.set_random_seed(0)
    layer = FAMILIES[family](FAMILIES[family].example)(8, 3, padding="same")
    found = layer(IMAGES)
    assert tuple(found.shape) == IMAGES.shape and np.isfinite(numbers(found)).all()
    try:
        kernel = layer.dense_kernel()
    except NotImplementedError:  # of several convolutions with others between them
        return
    expected = ops.conv(ops.convert_to_tensor(IMAGES), kernel, padding="same")
    np.testing.assert_allclose(numbers(found), numbers(expected), atol=1e-4)


def test_a_map_that_is_zero_has_attention_with_a_gradient():
    model = keras.Sequential([keras.Input((8, 8, 8)), layers.Conv2D(2, 3, kernel_initializer="zeros")])
    model.compile("sgd", lambda truth, found: ops.mean((attention(found) - 1) ** 2))
    model.fit(IMAGES, IMAGES, verbose=0)
    assert all(np.isfinite(weight).all() for weight in model.get_weights())


@pytest.mark.parametrize("how", AGGREGATORS)
def test_an_aggregator_gives_tensors_what_it_gives_arrays(how):
    gradients = DRAW.normal(size=(3, 5)).astype("float32")
    given = [list(row.reshape(5, 1)) for row in gradients]
    expected = aggregate(given, how, random=np.random.default_rng(1))
    tensors = [list(map(ops.convert_to_tensor, row)) for row in given]
    found = aggregate(tensors, how, random=np.random.default_rng(1))
    np.testing.assert_allclose([*map(numbers, found)], [*map(numbers, expected)], atol=1e-5)

"""What a student learns from."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradbook.errors import InputError
from gradbook.lowrank import Distilled, distill
from gradbook.lowrank.convs import FamilyDense, substitute
from gradbook.lowrank.distill import Distillation, Learner
from gradbook.lowrank.networks import DropPath

images = np.random.default_rng(0).standard_normal((5, 4, 4, 6), np.float32)
logits = np.random.default_rng(1).standard_normal((5, 10), np.float32)
other = np.random.default_rng(2).standard_normal((5, 10), np.float32)


@given(temperature=st.floats(0.5, 20), reduction=st.sampled_from(["examples", "elements"]))
def test_soft_targets_cost_nothing_where_they_are_met_and_something_elsewhere(temperature, reduction):
    assert float(distill.soft_targets(logits, logits, temperature, reduction)) == pytest.approx(0, abs=1e-4)
    assert float(distill.soft_targets(logits, logits + 3, temperature, reduction)) == pytest.approx(0, abs=1e-3)
    assert float(distill.soft_targets(logits, other, temperature, reduction)) > 0


def test_hot_soft_targets_match_centred_logits():
    # Hinton, Vinyals and Dean (2015, eq. 4): half the mean squared difference over classes
    centred = [one - one.mean(-1, keepdims=True) for one in (logits, other)]
    limit = np.square(centred[0] - centred[1]).sum(-1).mean() / (2 * 10)
    hot = distill.soft_targets(logits.astype(float), other.astype(float), 1000.0, "examples")
    assert float(hot) == pytest.approx(limit, rel=1e-2)


def test_reductions_differ_by_half_the_classes():
    values = [float(distill.soft_targets(logits, other, 4.0, how)) for how in ("examples", "elements")]
    assert values[0] / values[1] == pytest.approx(10 / 2, rel=1e-5)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_attention_is_right_where_squares_overflow_in_half_precision(dtype):
    large = keras.ops.cast(np.full((1, 2, 2, 1), 300.0), dtype)
    found = distill.attention(large)
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    np.testing.assert_allclose(found, [[0.5] * 4], rtol=1e-6)


def test_mixed_precision_trains_a_student(examples):
    def network():
        inputs = keras.Input((6, 6, 1))
        x = keras.layers.Identity(name="tap_1")(substitute("low_rank", 0.5)(4, 3, padding="same")(inputs))
        return keras.Model(inputs, keras.layers.Dense(3)(keras.layers.GlobalAveragePooling2D()(DropPath()(x))))

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        learner = Learner(network(), network(), Distillation(alpha=0.5), weight_decay=1e-3)
        learner.compile("sgd", jit_compile=False)
        history = learner.fit(*examples, epochs=2, verbose=0).history
    finally:
        keras.config.set_dtype_policy(before)
    assert np.isfinite(history["loss"]).all()


def test_attention_has_norm_one_and_ignores_scale_and_order_of_channels():
    attention = np.asarray(distill.attention(images))
    assert attention.shape == (5, 16)
    np.testing.assert_allclose(np.linalg.norm(attention, axis=-1), 1, rtol=1e-5)
    np.testing.assert_allclose(distill.attention(-7 * images[..., ::-1]), attention, rtol=1e-5)


def test_attention_transfer_weighs_as_three_taps():
    once = float(distill.attention_transfer([images], [images[::-1]]))
    assert once == pytest.approx(3 * np.square(distill.attention(images) - distill.attention(images[::-1])).mean())
    assert float(distill.attention_transfer([images] * 4, [images[::-1]] * 4)) == pytest.approx(once, rel=1e-5)


def losses(learner, examples):
    outputs = learner(examples[0], training=False)
    return [float(learner.compute_loss(*examples, outputs, training=training)) for training in (False, True)]


def test_without_teacher_and_decay_the_loss_is_the_cross_entropy(tiny, examples):
    plain, training = losses(Learner(tiny()), examples)
    outputs = tiny()(examples[0])
    expected = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(examples[1], outputs)
    assert plain == training == pytest.approx(float(expected), rel=1e-5)


def test_decay_is_smaller_on_shared_weights_alone(tiny, examples):
    network = tiny()
    shared = {id(weight) for layer in network.layers for weight in getattr(layer, "shared_weights", [])}
    assert len(shared) == 2  # the two matrices of the low-rank layer, and not its depthwise kernel
    squares = [0.0, 0.0]
    for weight in network.trainable_weights:
        squares[id(weight) in shared] += float(np.square(keras.ops.convert_to_numpy(weight)).sum())
    plain, decayed = losses(Learner(network, weight_decay=0.1, ratio=0.25), examples)
    assert decayed - plain == pytest.approx(0.05 * (squares[0] + 0.25 * squares[1]), rel=1e-4)


@pytest.mark.parametrize("frobenius", [False, True])
def test_decay_finds_shared_weights_in_dense_layers_and_in_models_within_the_network(examples, frobenius):
    family = substitute("low_rank", 0.25)
    inside, dense = family(8, 3), FamilyDense(family(8, 1))
    x = inputs = keras.Input((6, 6, 1))
    x = keras.Sequential([keras.Input((6, 6, 1)), inside])(x)
    x = dense(dense(keras.layers.GlobalAveragePooling2D()(x)))
    network = keras.Model(inputs, keras.layers.Dense(3)(x))
    families = [inside, dense.convolution]
    shared = {id(weight) for layer in families for weight in layer.shared_weights}
    others = [weight for weight in network.trainable_weights if id(weight) not in shared]
    expected = sum(float(keras.ops.sum(keras.ops.square(weight))) for weight in others)
    if frobenius:
        expected += sum(float(layer.squared_norm()) for layer in families)
    plain, decayed = losses(Learner(network, weight_decay=0.1, ratio=0.0, frobenius=frobenius), examples)
    assert decayed - plain == pytest.approx(0.05 * expected, rel=1e-4)


def test_a_replica_s_losses_add_up_to_the_loss(tiny, examples, monkeypatch):
    learner = Learner(tiny(0), tiny(1), Distillation(0.5), weight_decay=0.1)
    alone = losses(learner, examples)
    monkeypatch.setattr(distill, "replicas", lambda: 2)
    assert [2 * loss for loss in losses(learner, examples)] == alone


def test_a_teacher_that_agrees_adds_nothing(tiny, examples):
    plain, taught = losses(Learner(tiny(), tiny()), examples)
    assert taught == pytest.approx(plain, abs=1e-5)


def test_a_teacher_that_differs_adds_its_share(tiny, examples):
    network, teacher = tiny(0), tiny(1)
    outputs = [distill.tapped(one)(examples[0]) for one in (network, teacher)]
    plain, taught = losses(Learner(network, teacher, Distillation(0.9, 10.0, reduction="examples")), examples)
    soft = float(distill.soft_targets(outputs[0]["logits"], outputs[1]["logits"], 4.0, "examples"))
    attention = float(distill.attention_transfer(outputs[0]["taps"], outputs[1]["taps"]))
    assert taught == pytest.approx(0.1 * plain + 0.9 * soft + 10 * attention, rel=1e-4)


def test_training_leaves_the_teacher_alone(tiny, examples):
    teacher = tiny(1)
    before = [keras.ops.convert_to_numpy(weight) for weight in teacher.weights]
    learner = Learner(tiny(0), teacher)
    learner.compile("sgd", jit_compile=False)
    learner.fit(*examples, epochs=1, verbose=0)
    for weight, value in zip(teacher.weights, before, strict=True):
        np.testing.assert_array_equal(weight, value)


def test_an_auxiliary_head_counts_in_training_only(examples):
    inputs = keras.Input((6, 6, 1))
    flat = keras.layers.Flatten()(inputs)
    network = keras.Model(inputs, [keras.layers.Dense(3)(flat), keras.layers.Dense(3)(flat)])
    second = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(examples[1], network(examples[0])[1])
    plain, training = losses(Learner(network), examples)
    assert training - plain == pytest.approx(distill.AUXILIARY * float(second), rel=1e-4)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"alpha": 1.5}, r"alpha must lie in \[0, 1\]; received 1.5"),
        ({"temperature": 0}, "temperature above 0; received 1000.0 and 0"),
        ({"reduction": "mean"}, "reduction must be 'examples' or 'elements'; received 'mean'"),
    ],
)
def test_numbers_out_of_range_are_refused(given, sentence):
    with pytest.raises(InputError, match=sentence):
        Distillation(**given)


@pytest.mark.parametrize("reduction", ["mean", "Examples", ""])
def test_another_reduction_is_refused(reduction):
    with pytest.raises(InputError, match=f"reduction must be 'examples' or 'elements'; received '{reduction}'"):
        distill.soft_targets(logits, other, 4.0, reduction)


def test_a_teacher_that_looks_elsewhere_is_refused(tiny):
    inputs = keras.Input((6, 6, 1))
    tap = keras.layers.Identity(name="tap_1")(keras.layers.MaxPooling2D()(inputs))
    coarse = keras.Model(inputs, keras.layers.Dense(3)(keras.layers.Flatten()(tap)))
    with pytest.raises(InputError, match=r"taps must be of the network's sizes, \[\(6, 6\)\]; received \[\(3, 3\)\]"):
        Learner(tiny(), coarse)


@pytest.mark.parametrize(("classes", "taught"), [(1, 1), (10, 1), (3, 4)])
def test_what_soft_targets_cannot_compare_is_refused(classes, taught):
    inputs = keras.Input((6, 6, 1))
    networks = [keras.Model(inputs, keras.layers.Dense(n)(keras.layers.Flatten()(inputs))) for n in (classes, taught)]
    sentence = f"equally many classes, 2 or more; received {classes} and {taught}"
    with pytest.raises(InputError, match=sentence):
        Learner(*networks, Distillation(alpha=0.5, beta=0.0))
    with pytest.raises(InputError, match=sentence):
        Distilled(*networks, alpha=0.5)
    Learner(*networks, Distillation(beta=0.0))


def test_what_has_its_channels_first_is_refused():
    inputs = keras.Input((6, 6, 2))
    tap = keras.layers.ReLU(name="tap_1")(keras.layers.Conv2D(4, 1, data_format="channels_first", name="own")(inputs))
    network = keras.Model(inputs, keras.layers.Dense(3)(keras.layers.Flatten()(tap)))
    with pytest.raises(InputError, match=r"networks must have their channels last where attention .* received 'own'"):
        Learner(network, network)
    with pytest.raises(InputError, match=r"networks must have their channels last where attention .* received 'own'"):
        Distilled(network, network, beta=1.0)
    Learner(network, network, Distillation(beta=0.0))


def test_frobenius_decay_of_what_stands_for_no_kernel_is_refused():
    inputs = keras.Input((6, 6, 4))
    x = substitute("bottleneck", 2)(8, 3, name="narrow")(inputs)
    network = keras.Model(inputs, keras.layers.Dense(3)(keras.layers.Flatten()(x)))
    with pytest.raises(InputError, match=r"frobenius must be False .* received 'narrow', a Bottleneck"):
        Learner(network, frobenius=True)


def test_a_negative_decay_is_refused(tiny):
    with pytest.raises(InputError, match="weight_decay must not be negative; received -1"):
        Learner(tiny(), weight_decay=-1)


def test_what_a_learner_does_not_know_is_refused(tiny, examples):
    inputs = keras.Input((6, 6, 1))
    plain = keras.Model(inputs, keras.layers.Dense(3)(keras.layers.Flatten()(inputs)))
    with pytest.raises(InputError, match="beta above 0 needs layers whose names begin with 'tap'"):
        Learner(plain, keras.models.clone_model(plain))
    learner = Learner(plain, keras.models.clone_model(plain), Distillation(alpha=0.5, beta=0.0))
    with pytest.raises(InputError, match="a Learner has its own; received 'mse'"):
        learner.compile("sgd", "mse")
    learner.compile("sgd", jit_compile=False)
    learner.fit(*examples, epochs=1, verbose=0)
    with pytest.raises(InputError, match="weights of samples and classes must be left out"):
        learner.fit(*examples, sample_weight=np.ones(40), epochs=1, verbose=0)

"""A network that learns from another one, with compile and fit."""

import keras
import numpy as np
import pytest
from keras import layers

from gradbook.errors import InputError
from gradbook.lowrank import Distilled, compress
from gradbook.lowrank.distill import attention_transfer, soft_targets


def network(seed: int = 0, last: str | None = None, **options) -> keras.Model:
    keras.utils.set_random_seed(seed)
    images = keras.Input((6, 6, 1))
    x = layers.Conv2D(8, 3, padding="same", name="one")(images)
    x = layers.Conv2D(8, 3, name="two", **options)(layers.BatchNormalization()(x))
    return keras.Model(images, layers.Dense(3, activation=last, name="last")(layers.Flatten()(x)))


def distilled(*networks, loss="sparse_categorical_crossentropy", **options) -> Distilled:
    model = Distilled(*networks, **options)
    model.compile("sgd", loss, metrics=["accuracy"], jit_compile=False)
    return model


def training_loss(model, examples, **options):
    images, labels = examples
    loss = model.compute_loss(images, labels, model(images, training=True), **options)
    return float(keras.ops.convert_to_numpy(loss))


def test_the_loss_is_the_sum_of_its_parts(examples):
    student, teacher = network(0, "softmax"), network(1, "softmax")
    plain = training_loss(distilled(student, teacher), examples)
    both = training_loss(distilled(student, teacher, alpha=0.25, beta=10.0, taps=["one"]), examples)
    first = [keras.Model(one.input, [one.get_layer("one").output, one.output]) for one in (student, teacher)]
    (tap, output), lesson = first[0](examples[0], training=True), first[1](examples[0])
    soft = soft_targets(keras.ops.log(output), keras.ops.log(lesson[1]), 4.0, "examples")
    expected = 0.75 * plain + 0.25 * soft + 10 * attention_transfer([tap], [lesson[0]])
    assert both == pytest.approx(float(keras.ops.convert_to_numpy(expected)), rel=1e-3)


def test_penalties_count_in_full(examples):
    free, held = network(0, "softmax"), network(0, "softmax", kernel_regularizer=keras.regularizers.L2(0.1))
    losses = [training_loss(distilled(one, network(1, "softmax"), alpha=0.9), examples) for one in (free, held)]
    assert losses[1] - losses[0] == pytest.approx(float(keras.ops.convert_to_numpy(sum(held.losses))), rel=1e-4)


def test_logits_are_known_from_probabilities(examples):
    one, other = network(0), network(0, "softmax")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    logits = training_loss(distilled(one, network(1), loss=loss, alpha=0.5), examples)
    probabilities = training_loss(distilled(other, network(1, "softmax"), alpha=0.5), examples)
    assert logits == pytest.approx(probabilities, rel=1e-4)


def test_fit_takes_one_hot_labels_and_sample_weights_and_leaves_the_teacher(examples):
    images, labels = examples
    teacher = network(1, "softmax")
    before = teacher.get_weights()
    student = compress(teacher, value=0.5, verbose=False)
    start = student.get_weights()
    model = distilled(student, teacher, loss="categorical_crossentropy", alpha=0.5, beta=5.0)
    once = keras.utils.to_categorical(labels, 3)
    history = model.fit(images, once, sample_weight=np.ones(len(images)), epochs=2, verbose=0).history
    assert set(history) == {"accuracy", "loss"} and np.isfinite(history["loss"]).all()
    assert model.evaluate(images, once, verbose=0, return_dict=True).keys() == {"accuracy", "loss"}
    assert model.predict(images, verbose=0).shape == (40, 3)
    for one, other in zip(before, teacher.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert teacher.trainable and len(model.trainable_variables) == len(student.trainable_variables)
    assert any((one != other).any() for one, other in zip(start, student.get_weights(), strict=True))


def test_a_sequential_network_learns_from_another(examples):
    def sequential(last):
        return keras.Sequential([keras.Input((6, 6, 1)), layers.Flatten(), layers.Dense(3, last)])

    model = distilled(sequential("softmax"), sequential("softmax"), alpha=0.5)
    assert np.isfinite(model.fit(*examples, verbose=0).history["loss"]).all()


def test_weights_of_samples_count_for_the_labels(examples):
    student, teacher = network(0, "softmax"), network(1, "softmax")
    none = np.zeros(40, np.float32)
    assert training_loss(distilled(student, teacher), examples, sample_weight=none) == 0
    assert training_loss(distilled(student, teacher, alpha=0.5), examples, sample_weight=none) > 0


@pytest.mark.parametrize(
    "end",
    [
        keras.ops.softmax,
        lambda x: layers.Reshape((3,))(layers.Softmax()(x)),
        lambda x: layers.Activation("linear")(keras.ops.softmax(x)),
    ],
)
def test_an_end_that_does_not_say_what_it_gives_must_be_told(examples, end):
    plain, other = network(0), network(0)
    hidden = keras.Model(other.input, end(other.output), name="hidden")
    with pytest.raises(
        InputError, match=r"from_logits must say whether 'hidden' gives logits or probabilities; .* ends"
    ):
        distilled(hidden, hidden, alpha=0.5)
    told = training_loss(distilled(hidden, hidden, alpha=0.5, from_logits=False), examples)
    known = keras.Model(plain.input, layers.Softmax()(plain.output))
    assert told == pytest.approx(training_loss(distilled(known, known, alpha=0.5), examples), rel=1e-6)


def flat() -> keras.Model:
    images = keras.Input((6, 6, 1))
    return keras.Model(images, layers.Dense(3, "sigmoid", name="only")(layers.Flatten(name="flat")(images)))


@pytest.mark.parametrize(
    ("networks", "options", "sentence"),
    [
        ((flat, flat), {"beta": 1.0}, "beta needs taps, layers of an image's form by the same name in both"),
        ((network, network), {"beta": 1.0, "taps": ["ome"]}, "unknown tap 'ome'; did you mean 'one'"),
        ((network, network), {"beta": 1.0, "taps": {"one": "two"}}, r"taps must be of equal sizes; received \(6, 6\)"),
        ((flat, flat), {"alpha": 0.5}, "from_logits must say whether .* gives logits or probabilities"),
        ((network, network), {"alpha": 2.0}, r"alpha must lie in \[0, 1\]; received 2.0"),
    ],
)
def test_what_cannot_be_is_one_sentence(networks, options, sentence):
    with pytest.raises(InputError, match=sentence):
        Distilled(*(one() for one in networks), **options)

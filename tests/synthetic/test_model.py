"""Decoupled: compile and fit on predicted gradients, against plain fit, and what it refuses before training."""

import keras
import numpy as np
import pytest
from keras import layers

from gradbook.errors import InputError
from gradbook.synthetic import Decoupled, Interface, Settings, SyntheticGradient

LOGITS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
CUTS = ["first", "second"]


def network(last=None, regularised=False, width=3, **options):
    keras.utils.set_random_seed(0)
    penalty = keras.regularizers.L2(0.01) if regularised else None
    return keras.Sequential(
        [
            keras.Input([5]),
            layers.Dense(7, kernel_regularizer=penalty),
            layers.BatchNormalization(),
            layers.ReLU(name="first", activity_regularizer=penalty),
            layers.Dense(6, "tanh", name="second", **options),
            layers.Dense(width, last),
        ]
    )


def examples(count=64):
    random = np.random.default_rng(0)
    labels = np.arange(count) % 3
    return (random.normal(size=(3, 5))[labels] + 0.5 * random.normal(size=(count, 5))).astype("float32"), labels


def fitted(model, y=None, epochs=2, **options):
    x, labels = examples()
    y = labels if y is None else y
    return model.fit(x, y, batch_size=16, epochs=epochs, shuffle=False, verbose=0, **options).history


@pytest.mark.parametrize("regularised", [False, True])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_at_mixing_one_fit_is_that_of_the_network_alone(optimizer, regularised):
    weight = np.linspace(0.5, 2, 64).astype("float32")
    plain, cut = network(regularised=regularised), network(regularised=regularised)
    model = Decoupled(cut, CUTS, mixing=1.0)
    histories = []
    for one in (plain, model):
        one.compile(optimizer, LOGITS, metrics=["accuracy"])
        histories.append(fitted(one, sample_weight=weight, validation_data=examples(12)))
    assert histories[0].keys() == histories[1].keys()
    for name, values in histories[0].items():
        np.testing.assert_allclose(histories[1][name], values, rtol=1e-4, err_msg=name)
    for own, other in zip(cut.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(own, other, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("conditional", [True, False])
def test_predicted_gradients_train_every_layer(conditional):
    model = Decoupled(network(), CUTS, conditional=conditional)
    before = [w.copy() for w in model.network.get_weights()]
    model.compile(keras.optimizers.Adam(0.01), LOGITS, metrics=["accuracy"])
    history = fitted(model, epochs=30)
    assert history["loss"][-1] < 0.6 * history["loss"][0] and history["accuracy"][-1] > 0.8
    assert all(np.any(a != b) for a, b in zip(before, model.network.get_weights(), strict=True))
    width = 3 if conditional else 0
    assert [one.context_width for one in model.predictors] == [width] * 2
    x, y = examples()
    assert model.predict(x, verbose=0).shape == (64, 3) and model.evaluate(x, y, verbose=0)[1] > 0.8


@pytest.mark.parametrize(
    ("loss", "last", "targets"),
    [
        ("sparse_categorical_crossentropy", "softmax", lambda y: y[:, None]),
        ("categorical_crossentropy", "softmax", lambda y: np.eye(3, dtype="float32")[y]),
        ("mse", None, lambda y: np.eye(3, dtype="float32")[y]),
        ("binary_crossentropy", "sigmoid", lambda y: (y > 0).astype("float32")),
    ],
)
def test_losses_by_name_take_labels_of_any_form(loss, last, targets):
    _, labels = examples()
    model = Decoupled(network(last, width=1 if loss.startswith("binary") else 3), CUTS)
    model.compile("rmsprop", loss)
    history = fitted(model, targets(labels), epochs=5)
    assert history["loss"][-1] < history["loss"][0]


def test_each_block_has_its_own_optimizer_and_one_that_is_given_for_all_leads():
    model = Decoupled(network(), CUTS)
    model.compile(
        [keras.optimizers.SGD(0.0), keras.optimizers.Adam(0.01), "rmsprop"], LOGITS, predictor_optimizer="sgd"
    )
    first = model.chain.blocks[0].trainable_variables[0].numpy()
    last = model.chain.blocks[2].trainable_variables[0].numpy()
    fitted(model)
    assert np.array_equal(model.chain.blocks[0].trainable_variables[0].numpy(), first)
    assert not np.array_equal(model.chain.blocks[2].trainable_variables[0].numpy(), last)

    model.compile(keras.optimizers.Adam(0.5), LOGITS)
    fitted(model, callbacks=[keras.callbacks.LearningRateScheduler(lambda epoch: 0.125)])
    rates = [float(one.learning_rate) for one in [*model.block_optimizers, *model.predictor_optimizers]]
    assert rates == [0.125] * 5


def test_blocks_that_update_rarely_count_their_own_updates():
    model = Decoupled(network(), CUTS, settings=Settings(update_probability=0.3))
    model.compile("adam", LOGITS)
    fitted(model, epochs=10)
    counts = [int(one.iterations) for one in model.block_optimizers]
    assert all(0 < count < 40 for count in counts) and len(set(counts)) > 1


def test_a_warm_up_is_backpropagation():
    fits = []
    for settings in ({"warm_up": 100}, {"mixing": 1.0}):
        model = Decoupled(network(), CUTS, settings=settings)
        model.compile("sgd", LOGITS)
        fitted(model)
        fits.append(model.network.get_weights())
    for one, other in zip(*fits, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_a_saved_model_goes_on_as_if_it_had_not_been_saved(tmp_path):
    cuts = [Interface("first", SyntheticGradient([4])), "second"]
    model = Decoupled(network(), cuts, settings={"target": "true"})
    model.compile(keras.optimizers.Adam(0.01), LOGITS, metrics=["accuracy"])
    fitted(model)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.settings == model.settings and loaded.predictors[0].hidden == (4,)
    for one, other in zip(loaded.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert fitted(loaded)["loss"] == pytest.approx(fitted(model)["loss"], rel=1e-4)


def test_features_may_be_sequences_and_models_nested():
    keras.utils.set_random_seed(0)
    inner = keras.Sequential(
        [keras.Input([6, 4]), layers.Conv1D(5, 3, padding="same", activation="relu")], name="inner"
    )
    x = keras.Input([6, 4])
    model = Decoupled(keras.Model(x, layers.Dense(3)(layers.Flatten(name="flat")(inner(x)))), ["inner"])
    model.compile("adam", LOGITS)
    inputs = np.random.default_rng(0).normal(size=(12, 6, 4)).astype("float32")
    assert np.isfinite(model.fit(inputs, np.arange(12) % 3, verbose=0).history["loss"]).all()
    with pytest.raises(InputError, match=r"'conv1d.*' stands inside the nested model 'inner'"):
        Decoupled(model.network, [inner.layers[0].name])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"cuts": []}, "cuts must be a list of names of layers, at least one"),
        ({"cuts": "first"}, "cuts must be a list of names"),
        ({"cuts": ["frist"]}, "unknown layer 'frist'; did you mean 'first'"),
        ({"settings": {"learning_rate": 0.1}}, "settings must leave learning_rate to the optimizers"),
        ({"settings": {"in_turn": True}}, "settings must leave in_turn False"),
        ({"mixing": 2.0}, r"^mixing: input should be less than or equal to 1; received 2\.0\.$"),
        ({"settings": {"mixng": 1.0}}, "^mixng: extra inputs are not permitted"),
    ],
)
def test_bad_arguments_are_refused_by_name(arguments, sentence):
    with pytest.raises(InputError, match=sentence):
        Decoupled(**{"network": network(), "cuts": CUTS} | arguments)


def test_networks_it_cannot_cut_are_refused_in_one_sentence():
    with pytest.raises(InputError, match=r"begins with keras\.Input"):
        Decoupled(keras.Sequential([layers.Dense(3, name="first"), layers.Dense(3)]), ["first"])
    with pytest.raises(InputError, match=r"float32 throughout; received float16 in 'second'"):
        Decoupled(network(dtype="mixed_float16"), CUTS)
    a, b = keras.Input([2]), keras.Input([2])
    joined = layers.Dense(3, name="first")(layers.Concatenate()([a, b]))
    with pytest.raises(InputError, match="one input and one output; received 2 and 1"):
        Decoupled(keras.Model([a, b], layers.Dense(2)(joined)), ["first"])


@pytest.mark.parametrize(
    ("last", "loss", "sentence"),
    [
        ("softmax", LOGITS, "loss takes logits, but"),
        (None, "sparse_categorical_crossentropy", "loss takes probabilities, but"),
        ("nested", LOGITS, "loss takes logits, but"),
    ],
)
def test_logits_and_probabilities_are_not_mixed_up(last, loss, sentence):
    net = network(None if last == "nested" else last)
    if last == "nested":
        net.add(keras.Sequential([keras.Input([3]), layers.Dense(3, "softmax")]))
    with pytest.raises(InputError, match=sentence):
        Decoupled(net, CUTS).compile("sgd", loss)


def test_a_loss_of_one_s_own_is_not_taken_for_keras_by_its_name():
    def softened_crossentropy(labels, logits):
        return LOGITS(labels, logits)

    Decoupled(network(), CUTS).compile("sgd", softened_crossentropy)


def test_layers_own_losses_count_again_after_a_loss_that_failed():
    def broken(truth, found):
        raise ZeroDivisionError

    model = Decoupled(network(regularised=True), CUTS)
    model.compile("sgd", broken)
    with pytest.raises(ZeroDivisionError):
        fitted(model)
    assert model.losses


def test_fit_without_targets_is_refused():
    model = Decoupled(network(), CUTS)
    model.compile("sgd", LOGITS)
    with pytest.raises(InputError, match="targets must be given to fit"):
        model.fit(examples()[0], verbose=0)


def test_optimizers_it_cannot_use_are_refused():
    model = Decoupled(network(), CUTS)
    with pytest.raises(InputError, match="a list of 3, one for each block; received 2"):
        model.compile(["sgd", "sgd"], LOGITS)
    with pytest.raises(InputError, match="use_ema=True"):
        model.compile(keras.optimizers.SGD(0.1, use_ema=True), LOGITS)


def test_targets_of_another_width_are_refused():
    model = Decoupled(network(), CUTS)
    model.compile("sgd", "mse")
    with pytest.raises(InputError, match="the width of the outputs, 3; received 2"):
        fitted(model, np.zeros([64, 2], "float32"))

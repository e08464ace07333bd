"""Censored: compile and fit with auxiliary losses, against plain training on each loss alone, on any backend."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from gradbook.auxiliary import RULES, censor, register
from gradbook.auxiliary.aggregation import aggregate
from gradbook.auxiliary.model import Censored
from gradbook.errors import InputError

LOSSES = {"quality": "mse", "topic": keras.losses.SparseCategoricalCrossentropy(from_logits=True)}
pytestmark = pytest.mark.filterwarnings("ignore:Gradients do not exist")  # of the other head, in training on one loss


def network(form="dictionary", regularised=False):
    inputs = keras.Input((6,))
    penalty = keras.regularizers.L2(0.1) if regularised else None
    hidden = layers.Dense(5, "tanh", name="hidden", kernel_regularizer=penalty)(inputs)
    heads = {"quality": layers.Dense(1, name="quality")(hidden), "topic": layers.Dense(3, name="topic")(hidden)}
    return keras.Model(inputs, heads if form == "dictionary" else list(heads.values()))


def examples(count=16):
    random = np.random.default_rng(0)
    targets = {"quality": random.normal(size=(count, 1)).astype("float32"), "topic": random.integers(0, 3, count)}
    return random.normal(size=(count, 6)).astype("float32"), targets


def trained(model, optimizer=None, epochs=1, loss=None, **options):
    """The weights' change by one batch of gradient descent of rate 1, and the history."""
    x, y = examples()
    model.compile(optimizer or keras.optimizers.SGD(1.0), loss or LOSSES, **options)
    before = [np.array(w) for w in model.network.get_weights()]
    history = model.fit(x, y, batch_size=len(x), epochs=epochs, shuffle=False, verbose=0).history
    return [now - then for now, then in zip(model.network.get_weights(), before, strict=True)], history


def plain_gradients(net):
    """Each task's gradient of the hidden layer, kernel and bias, by plain training on that loss alone."""
    found = {}
    for task in LOSSES:
        alone = keras.models.clone_model(net)
        alone.set_weights(net.get_weights())
        x, y = examples()
        alone.compile(keras.optimizers.SGD(1.0), {task: LOSSES[task]})
        before = [np.array(w) for w in alone.get_layer("hidden").get_weights()]
        alone.fit(x, {task: y[task]}, batch_size=len(x), shuffle=False, verbose=0)
        found[task] = [b - n for b, n in zip(before, alone.get_layer("hidden").get_weights(), strict=True)]
    return found


@pytest.mark.parametrize(("rule", "scope"), [*((rule, "global") for rule in sorted(RULES)), ("projection", "variable")])
def test_the_shared_layer_follows_the_censored_sum(rule, scope):
    net = network()
    gradients = plain_gradients(net)
    u, v = ([ops.convert_to_tensor(g) for g in gradients[task]] for task in ("topic", "quality"))
    kept = censor(u, v, rule, scope=scope)
    model = Censored(net, "quality", rule, scope=scope, weight=0.5)
    (kernel, bias, *_), _ = trained(model)
    for change, main, part in zip((kernel, bias), gradients["quality"], kept, strict=True):
        assert -change == pytest.approx(main + 0.5 * ops.convert_to_numpy(part), abs=2e-5)


@pytest.mark.parametrize("how", ["upgrad", "nash_mtl", "graddrop"])
@pytest.mark.parametrize("scope", ["global", "variable"])
def test_the_shared_layer_follows_an_aggregator(how, scope):
    net = network()
    gradients = plain_gradients(net)
    v, u = ([ops.convert_to_tensor(part) for part in gradients[task]] for task in ("quality", "topic"))
    u = [0.5 * part for part in u]
    keras.utils.set_random_seed(7)
    model = Censored(net, "quality", how, scope=scope, weight=0.5)
    (kernel, bias, *_), _ = trained(model)
    random = np.random.default_rng(np.random.RandomState(7).randint(2**31))
    if scope == "global":
        expected = aggregate([v, u], how, random=random)
    else:
        expected = [aggregate(list(pair), how, random=random) for pair in zip(v, u, strict=True)]
    for change, part in zip((kernel, bias), expected, strict=True):
        assert -change == pytest.approx(ops.convert_to_numpy(part), abs=5e-5)


def test_the_aggregator_sum_is_multitask():
    one = network()
    other = keras.models.clone_model(one)
    other.set_weights(one.get_weights())
    changes = [
        trained(Censored(net, "quality", rule, weight=0.3))[0] for net, rule in ((one, "multitask"), (other, "sum"))
    ]
    for mine, theirs in zip(*changes, strict=True):
        assert mine == pytest.approx(theirs, abs=1e-5)


def test_an_aggregator_and_its_options_are_saved(tmp_path):
    model = Censored(network(), "quality", "cagrad", rule_options={"c": 0.2})
    trained(model)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert (loaded.rule, loaded.rule_options) == ("cagrad", {"c": 0.2})
    trained(loaded)


@pytest.mark.parametrize(
    ("rule", "choices", "sentence"),
    [
        ("upgrd", {}, "rule or aggregator 'upgrd'; did you mean 'upgrad'"),
        ("cagrad", {"rule_options": {"d": 1}}, "unknown option of cagrad 'd'"),
        ("cagrad", {"rule_options": {"c": -1}}, "c of cagrad must be 0 or more; received -1"),
        ("projection", {"rule_options": {"c": 1}}, "rule_options must be empty but for an aggregator"),
        ("upgrad", {"alpha": 0.5}, "alpha must be 1 with the aggregator 'upgrad'; received 0.5"),
        ("upgrad", {"together": True}, "together must be False with the aggregator 'upgrad'"),
        ("upgrad", {"at_zero": "zero"}, "at_zero must be 'keep' with the aggregator 'upgrad'; received 'zero'"),
    ],
)
def test_what_no_aggregator_can_do_is_refused(rule, choices, sentence):
    with pytest.raises(InputError, match=sentence):
        Censored(network(), "quality", rule, **choices)


def test_penalties_count_again_after_a_loss_that_failed():
    def broken(truth, found):
        raise ZeroDivisionError

    model = Censored(network(regularised=True), "quality")
    with pytest.raises(ZeroDivisionError):
        trained(model, loss=LOSSES | {"topic": broken})
    assert len(model.losses) == 1


def test_an_auxiliary_head_learns_whatever_the_rule():
    model = Censored(network(), "quality", "single_task")
    before = [np.array(w) for w in model.network.get_layer("topic").get_weights()]
    trained(model)
    assert all((a != b).any() for a, b in zip(before, model.network.get_layer("topic").get_weights(), strict=True))


@pytest.mark.parametrize("form", ["dictionary", "list"])
def test_multitask_is_the_plain_sum(form):
    net = network(form, regularised=True)
    plain = keras.models.clone_model(net)
    plain.set_weights(net.get_weights())
    x, y = examples()
    order = y if form == "dictionary" else list(y.values())
    losses = LOSSES if form == "dictionary" else list(LOSSES.values())
    weights = np.linspace(0.5, 2, len(x)).astype("float32")
    for model in (plain, Censored(net, "quality", "multitask")):
        model.compile(keras.optimizers.Adam(0.01), losses)
        model.fit(x, order, batch_size=8, epochs=2, shuffle=False, verbose=0, sample_weight=_weights(order, weights))
    for ours, theirs in zip(net.get_weights(), plain.get_weights(), strict=True):
        assert ours == pytest.approx(theirs, abs=2e-5)


@keras.saving.register_keras_serializable("tests")
class Subclassed(keras.Model):
    """The network, with penalties on the heads, whose graph nobody knows."""

    output_names = ("quality", "topic")

    def __init__(self, **options):
        super().__init__(**options)
        penalty = keras.regularizers.L2(0.1)
        self.hidden = layers.Dense(5, "tanh", name="hidden")
        self.heads = [layers.Dense(units, kernel_regularizer=penalty, name=f"head_{units}") for units in (1, 3)]

    def call(self, x):
        hidden = self.hidden(x)
        return dict(zip(self.output_names, (head(hidden) for head in self.heads), strict=True))


def functional():
    inputs = keras.Input((6,))
    return keras.Model(inputs, Subclassed().call(inputs))


@pytest.mark.parametrize("rule", ["multitask", "single_task"])
@pytest.mark.parametrize("make", [functional, Subclassed])
def test_an_auxiliary_head_follows_its_own_loss_and_its_penalty(make, rule):
    if make is Subclassed and keras.backend.backend() == "jax":
        pytest.skip("a subclassed network is refused on JAX")
    x, y = examples()
    net, plain = make(), make()
    for one in (net, plain):
        one(x)
    plain.set_weights(net.get_weights())
    _, history = trained(Censored(net, "quality", rule))
    plain.compile(keras.optimizers.SGD(1.0), LOSSES)
    expected = plain.fit(x, y, batch_size=len(x), verbose=0).history["loss"]
    assert history["loss"] == pytest.approx(expected, rel=1e-5)
    for ours, theirs in list(zip(net.weights, plain.weights, strict=True))[0 if rule == "multitask" else 2 :]:
        assert ops.convert_to_numpy(ours) == pytest.approx(ops.convert_to_numpy(theirs), abs=2e-5)


def test_a_masked_output_has_the_loss_that_it_has_alone():
    words = keras.Input((4,), dtype="int32")
    hidden = layers.Embedding(20, 5, mask_zero=True)(words)
    net = keras.Model(words, {"quality": layers.Dense(1)(hidden), "topic": layers.Dense(1)(hidden)})
    x = np.random.default_rng(0).integers(0, 4, (16, 4))
    targets = dict.fromkeys(("quality", "topic"), np.ones((16, 4, 1), "float32"))
    losses = []
    for model in (network_like(net), Censored(net, "quality", "multitask")):
        model.compile("sgd", dict.fromkeys(targets, "mse"))
        losses.append(model.fit(x, targets, batch_size=16, verbose=0).history["loss"])
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)


def _weights(order, weights):
    return dict.fromkeys(order, weights) if isinstance(order, dict) else [weights for _ in order]


def test_what_is_measured_is_reported_in_training_and_nowhere_else():
    model = Censored(network(), "quality", "projection")
    x, y = examples()
    model.compile("sgd", LOSSES, metrics={"topic": ["accuracy"]})
    history = model.fit(x, y, epochs=2, verbose=0, validation_data=(x, y)).history
    assert {"cosine_topic", "conflict_fraction_topic", "norm_topic", "norm_main", "topic_accuracy"} <= set(history)
    assert not [name for name in history if name.startswith("val_") and ("cosine" in name or "norm" in name)]
    assert "cosine_topic" not in model.evaluate(x, y, verbose=0, return_dict=True)
    assert all(-1 <= value <= 1 for value in history["cosine_topic"])
    quiet = Censored(network(), "quality", measure=False)
    assert "cosine_topic" not in trained(quiet)[1]


def test_the_cosine_is_that_of_the_shared_gradients():
    net = network()
    u, v = (np.concatenate([g.ravel() for g in plain_gradients(net)[task]]) for task in ("topic", "quality"))
    _, history = trained(Censored(net, "quality"))
    assert history["cosine_topic"][0] == pytest.approx(u @ v / np.linalg.norm(u) / np.linalg.norm(v), abs=1e-4)
    assert history["norm_main"][0] == pytest.approx(np.linalg.norm(v), rel=1e-4)
    assert history["conflict_fraction_topic"][0] == float(u @ v < 0)


def test_weight_decay_is_an_auxiliary_task():
    net = network()
    before = [np.array(w) for w in net.get_weights()]
    plain, _ = trained(Censored(network_like(net), "quality", "multitask"))
    decayed, _ = trained(Censored(net, "quality", "multitask", weight={"weight_decay": 0.25}))
    for with_decay, without, theta in zip(decayed, plain, before, strict=True):
        assert with_decay == pytest.approx(without - 0.25 * theta, abs=1e-5)


def network_like(net):
    other = keras.models.clone_model(net)
    other.set_weights(net.get_weights())
    return other


def test_the_average_of_the_first_step_is_alpha_times_the_gradient():
    net = network()
    gradients = plain_gradients(net)
    model = Censored(net, "quality", "projection", alpha=0.25)
    trained(model)
    for average, gradient in zip(model.non_trainable_variables[:2], gradients["quality"], strict=True):
        assert ops.convert_to_numpy(average) == pytest.approx(0.25 * gradient, abs=1e-5)


def test_an_average_survives_the_overflow_of_a_scaled_loss():
    model = Censored(network(), "quality", "projection", alpha=0.5)
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.01), initial_scale=3e38)
    changes, _ = trained(model, optimizer, epochs=8, loss_weights=dict.fromkeys(LOSSES, 10.0))
    assert float(ops.convert_to_numpy(optimizer.dynamic_scale)) < 2e38
    assert all(np.isfinite(one).all() for one in model.get_weights()) and all(change.any() for change in changes)


def test_together_censors_the_sum():
    inputs = keras.Input((6,))
    hidden = layers.Dense(5, "tanh", name="hidden")(inputs)
    net = keras.Model(inputs, {n: layers.Dense(1, name=n)(hidden) for n in "abc"})
    random = np.random.default_rng(1)
    net.set_weights([random.normal(size=w.shape) for w in net.get_weights()])
    x, _ = examples()
    y = {n: np.random.default_rng(i).normal(size=(16, 1)) for i, n in enumerate("abc")}

    def change(rule, **options):
        model = Censored(network_like(net), "a", rule, **options)
        before = model.network.get_layer("hidden").get_weights()
        model.compile(keras.optimizers.SGD(1.0), dict.fromkeys("abc", "mse"))
        model.fit(x, y, batch_size=16, verbose=0)
        return [now - then for now, then in zip(model.network.get_layer("hidden").get_weights(), before, strict=True)]

    main, with_b, with_c = (
        change("multitask", weight=weight) for weight in ({"b": 0, "c": 0}, {"b": 0.5, "c": 0}, {"b": 0, "c": 1})
    )
    v, b, c = ([np.array(part) for part in one] for one in (main, with_b, with_c))
    b, c = ([part - own for part, own in zip(one, v, strict=True)] for one in (b, c))
    summed = [ops.convert_to_tensor(one + other) for one, other in zip(b, c, strict=True)]
    kept = censor(summed, [*map(ops.convert_to_tensor, v)], "orthogonal", scope="global")
    for found, own, part in zip(change("orthogonal", weight={"b": 0.5}, together=True), v, kept, strict=True):
        assert found == pytest.approx(own + ops.convert_to_numpy(part), abs=2e-5)
    together, apart = (change("weighted_cosine", weight={"b": 0.5}, together=how)[0] for how in (True, False))
    assert together != pytest.approx(apart, abs=1e-4)


def test_an_output_named_together_has_its_own_rule():
    def change(rule, second):
        keras.utils.set_random_seed(0)
        inputs = keras.Input((6,))
        hidden = layers.Dense(5, "tanh", name="hidden")(inputs)
        net = keras.Model(inputs, {n: layers.Dense(1, name=n)(hidden) for n in ("main", "first", second)})
        x, _ = examples()
        y = {n: np.random.default_rng(i).normal(size=(16, 1)) for i, n in enumerate(net.output)}
        model = Censored(net, "main", {"first": "single_task", second: rule})
        model.compile(keras.optimizers.SGD(1.0), dict.fromkeys(y, "mse"))
        model.fit(x, y, batch_size=16, verbose=0)
        return net.get_layer("hidden").get_weights()

    for ours, expected in zip(change("multitask", "together"), change("multitask", "second"), strict=True):
        np.testing.assert_array_equal(ours, expected)


def test_a_rule_compares_with_the_moving_average_of_the_main_gradient():
    net = network()
    first, alpha = plain_gradients(net), 0.25
    model = Censored(net, "quality", "projection", alpha=alpha)
    trained(model)
    second = plain_gradients(net)
    average = [
        ops.convert_to_tensor((1 - alpha) * alpha * one + alpha * other)
        for one, other in zip(first["quality"], second["quality"], strict=True)
    ]
    kept = censor([*map(ops.convert_to_tensor, second["topic"])], average, "projection", scope="global")
    before = model.network.get_layer("hidden").get_weights()
    x, y = examples()
    model.fit(x, y, batch_size=16, verbose=0)
    for now, then, own, part in zip(
        model.network.get_layer("hidden").get_weights(), before, second["quality"], kept, strict=True
    ):
        assert then - now == pytest.approx(own + ops.convert_to_numpy(part), abs=5e-5)


def test_a_saved_model_is_the_same_and_trains_on(tmp_path):
    model = Censored(network(), "quality", {"topic": "orthogonal"}, weight={"topic": 0.3}, alpha=0.5)
    trained(model, keras.optimizers.Adam())
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    x, y = examples()
    for ours, theirs in zip(model.predict(x, verbose=0).values(), again.predict(x, verbose=0).values(), strict=True):
        assert theirs == pytest.approx(ours, abs=1e-6)
    for one in (model, again):
        one.fit(x, y, batch_size=16, epochs=2, shuffle=False, verbose=0)
    for ours, theirs in zip(model.get_weights(), again.get_weights(), strict=True):
        assert theirs == pytest.approx(ours, abs=1e-5)


def half(u, v, over):
    """Keep half of u."""
    return 0.5, 0.0


def test_a_rule_of_one_s_own_is_saved_if_it_is_registered(tmp_path, monkeypatch):
    path = tmp_path / "model.keras"
    with pytest.raises(InputError, match=r"gradbook\.auxiliary\.register was given before.* received Rule"):
        Censored(network(), "quality", half).save(path)
    monkeypatch.setitem(RULES, "half", None)
    Censored(network(), "quality", register(half)).save(path)
    assert keras.models.load_model(path).rule == "half"


def test_callbacks_accumulation_and_schedules_work():
    model = Censored(network(), "quality")
    optimizer = keras.optimizers.Adam(0.01, gradient_accumulation_steps=2)
    _, history = trained(model, optimizer, epochs=4)
    assert all(np.isfinite(value).all() for value in map(np.array, history.values()))
    x, y = examples()
    model.compile(keras.optimizers.SGD(0.1), LOSSES)
    model.fit(
        x, y, epochs=3, verbose=0, callbacks=[keras.callbacks.LearningRateScheduler(lambda epoch: 0.1 / (1 + epoch))]
    )
    assert float(model.optimizer.learning_rate) == pytest.approx(0.1 / 3)


def test_mixed_precision_trains():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = Censored(network(), "quality", "projection")
        changes, history = trained(model, keras.optimizers.Adam(0.01), epochs=3)
    finally:
        keras.config.set_dtype_policy("float32")
    assert np.isfinite(history["loss"]).all()
    assert 0 < history["norm_main"][0] < 100  # not multiplied by the scale of the loss
    assert any(change.any() for change in changes)


def test_an_embedding_is_trained():
    words = keras.Input((4,), dtype="int32")
    hidden = layers.GlobalAveragePooling1D()(layers.Embedding(20, 5, name="words")(words))
    net = keras.Model(words, {"quality": layers.Dense(1)(hidden), "topic": layers.Dense(3)(hidden)})
    model = Censored(net, "quality", "projection")
    model.compile(keras.optimizers.SGD(0.5), LOSSES)
    _, y = examples()
    history = model.fit(np.random.default_rng(0).integers(0, 20, (16, 4)), y, epochs=3, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]


@pytest.mark.parametrize("when", ["before", "after"])
def test_what_is_frozen_stays_and_the_rest_learns(when):
    net = network()
    if when == "before":
        net.get_layer("hidden").trainable = False
    model = Censored(net, "quality", alpha=0.5)
    net.get_layer("hidden").trainable = False
    hidden = net.get_layer("hidden").get_weights()
    changes, history = trained(model)
    assert all(np.array_equal(a, b) for a, b in zip(hidden, net.get_layer("hidden").get_weights(), strict=True))
    assert sum(change.any() for change in changes) == 4
    assert history["cosine_topic"] == history["norm_main"] == [0.0]
    net.get_layer("hidden").trainable = True
    if when == "before":
        with pytest.raises(InputError, match="trainable variables that it had not when Censored was made"):
            model.compile("sgd", LOSSES)


def unnamed():
    class Own(keras.Model):
        def call(self, x):
            return x, x

        def build(self, shape):
            self.add_weight((1,), "zeros")

    model = Own(name="own")
    model(np.zeros((1, 2), "float32"))
    return model


def with_outputs(arrange):
    inputs = keras.Input((6,))
    return keras.Model(inputs, arrange(*(layers.Dense(1, name=name)(inputs) for name in "abc")))


def frozen():
    net = network()
    net.trainable = False
    return net


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Censored(with_outputs(lambda a, b, c: [a, [b, c]])), "a flat list or dictionary; .* nests them"),
        (lambda: Censored(with_outputs(lambda a, b, c: {"a": a, "d": [b]})), "a flat list or dictionary"),
        (lambda: Censored(with_outputs(lambda a, b, c: {"a": a, "weight_decay": b})), "output 'weight_decay', which"),
        (lambda: Censored(frozen()), "must have trainable variables; .* has none"),
        (lambda: Censored(network(), "qualty"), "did you mean 'quality'"),
        (lambda: Censored(network(), 2), "main must be from 0 to 1"),
        (lambda: Censored(network(), "quality", "projektion"), "did you mean 'projection'"),
        (lambda: Censored(network(), "quality", weight={"topik": 1}), "did you mean 'topic'"),
        (
            lambda: Censored(network(), "quality", weight=-1),
            "weight of 'topic' must be .* 0 or more; received -1",
        ),
        (lambda: Censored(network(), "quality", weight="1"), "weight of 'topic' must be a number, .* received '1'"),
        (lambda: Censored(network(), "quality", scope="globl"), "did you mean 'global'"),
        (lambda: Censored(network(), "quality", at_zero="drop"), "unknown at_zero 'drop'"),
        (lambda: Censored(unnamed(), 0), "must be functional, or have the attribute output_names; 'own' is a subclass"),
        (lambda: Censored(network(), "quality", alpha=0), "alpha must be above 0 and at most 1; received 0"),
        (lambda: Censored(keras.Sequential([layers.Dense(2)]), 0), "must be built"),
        (lambda: Censored(keras.Sequential([keras.Input((2,)), layers.Dense(2)])), "two outputs or more"),
        (lambda: Censored(network(), 0, {"topic": "projection"}, together=True), "rule must be one for all"),
        (lambda: Censored(network(), "quality").compile("sgd", {"topic": "mse"}), "one for the main output 'quality'"),
        (lambda: Censored(network(), "quality").compile("sgd", {"quality": "mse"}), "one for an auxiliary output"),
        (lambda: Censored(network(), "quality").compile("sgd", {"qualty": "mse"}), "did you mean 'quality'"),
    ],
)
def test_what_cannot_be_is_refused_before_training(make, sentence):
    with pytest.raises(InputError, match=sentence):
        make()

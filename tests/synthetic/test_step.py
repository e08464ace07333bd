"""A step: identities that hold for any network, and the independence of its blocks."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from synthetic_helpers import CLASSES, chain, steps

from gradbook.errors import InputError
from gradbook.optimizers import GradientDescent
from gradbook.synthetic.chain import Chain, Interface, State, cross_entropy, cut, squared_error, variables
from gradbook.synthetic.linear import exact_predictor
from gradbook.synthetic.predictors import SyntheticGradient
from gradbook.synthetic.settings import Settings, modes
from gradbook.synthetic.step import Step

NEVER = Settings(predictor_learning_rate=0.0)


def weights(state) -> list[np.ndarray]:
    return [w.numpy() for learner in state.blocks for w in learner.weights]


def predictors(state) -> list[np.ndarray]:
    return [w.numpy() for learner in state.gradient_predictors for w in learner.weights]


def equal(first, second) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def keras_backpropagation(model: keras.Model, batches) -> list[np.ndarray]:
    """The weights after Keras' own Adam has followed the gradient of the whole network."""
    optimizer = keras.optimizers.Adam(1e-3)
    for x, y in batches:
        with tf.GradientTape() as tape:
            loss = cross_entropy(y, model(x, training=True))
        gradients = tape.gradient(loss, [v.value for v in model.trainable_variables])
        optimizer.apply(gradients, model.trainable_variables)
    return [v.numpy() for v in model.trainable_variables]


@pytest.mark.parametrize("wrong", [100.0, np.inf, np.nan])
def test_mixing_of_one_is_backpropagation_bit_by_bit_whatever_the_predictors_say(batches, wrong):
    (x, y), cutted = batches[0], chain(1)
    state, step = cutted.state(), Step(cutted, Settings(mixing=1.0).tensors())
    for learner in state.gradient_predictors:
        learner.weights[0] += wrong
    passes = step.forward(state, x, y)
    messages = step.messages(passes)
    with tf.GradientTape() as tape:
        tape.watch([w for block in state.blocks for w in block.weights])
        h = x
        for block, learner in zip(cutted.blocks, state.blocks, strict=True):
            h, _ = block.stateless_call(learner.weights, learner.statistics, h, training=True)
        loss = cross_entropy(y, h)
    whole = tape.gradient(loss, [learner.weights for learner in state.blocks])
    received = [*messages.received, tf.ones([])]
    for block, message, expected in zip(passes.blocks, received, whole, strict=True):
        assert equal(block.weight_gradients(message), expected)


def test_mixing_of_one_trains_as_keras_does_batch_statistics_included(batches):
    cutted = chain(1)
    mine = steps(cutted, batches, Settings(mixing=1.0))
    model = keras.Sequential([keras.Input([5]), *(layer for block in cutted.blocks for layer in block.layers[1:])])
    theirs = keras_backpropagation(model, batches)
    for a, b in zip(weights(mine), theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    cutted.assign(mine)
    assert equal(weights(cutted.state()), weights(mine))


def test_blocks_that_receive_the_true_gradient_from_a_perfect_predictor_do_as_in_backpropagation(batches):
    """With a linear readout and a squared loss the exact predictor is known."""
    cutted = chain(2, depth=1, loss=squared_error, optimizer=GradientDescent())
    state = cutted.state()
    readout, bias = (w.numpy() for w in state.blocks[-1].weights)
    assert not bias.any()
    kernel = np.concatenate(exact_predictor(readout))
    perfect = state._replace(
        gradient_predictors=[state.gradient_predictors[0]._replace(weights=[tf.constant(kernel), tf.zeros([7])])]
    )
    rate = {"learning_rate": 0.01}
    after = [
        weights(one_step(cutted, start, batches[0], settings))
        for start, settings in [(perfect, Settings(target="true", **rate)), (state, Settings(mixing=1.0, **rate))]
    ]
    for a, b in zip(*after, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def one_step(cutted, state, batch, settings, mask=None):
    mask = tf.ones([len(cutted.blocks)]) if mask is None else mask
    return Step(cutted, settings.tensors())(state, *batch, mask)[0]


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_blocks_updated_in_any_order_give_the_same_weights(batches, order):
    cutted = chain(3, predict_inputs=True)
    state, step = steps(cutted, batches[:2], Settings()), Step(cutted, Settings().tensors())
    passes = step.forward(state, *batches[2])
    messages = step.messages(passes, time=2)
    new = state
    for k in order:
        new = step.update(new, k, passes, messages)
    expected = one_step(cutted, state, batches[2], Settings())
    for a, b in zip(tf.nest.flatten(new), tf.nest.flatten(expected), strict=True):
        assert np.array_equal(a, b)
    assert not equal(weights(new), weights(state))


def test_a_block_reads_nothing_from_above_but_the_prediction(batches):
    """Whatever becomes of the blocks above, the first block moves alike: that is what unlocked means."""
    cutted = chain(4)
    state = steps(cutted, batches, Settings())
    other = state._replace(blocks=[state.blocks[0], *(damaged(learner) for learner in state.blocks[1:])])
    moved = [one_step(cutted, start, batches[0], Settings(divide_by_loss=False)).blocks[0] for start in (state, other)]
    assert equal(moved[0].weights, moved[1].weights)
    mixed = [one_step(cutted, start, batches[0], Settings(mixing=0.5)).blocks[0] for start in (state, other)]
    assert not equal(mixed[0].weights, mixed[1].weights)


def damaged(learner):
    return learner._replace(weights=[w + 0.3 for w in learner.weights])


def test_without_learning_predictors_only_the_last_block_learns(batches):
    cutted = chain(5)
    before, after = cutted.state(), steps(cutted, batches, NEVER)
    for k in range(3):
        assert equal(after.blocks[k].weights, before.blocks[k].weights)
    assert equal(predictors(after), predictors(before)) and not any(w.any() for w in predictors(before))
    assert not equal(after.blocks[3].weights, before.blocks[3].weights)


def test_a_context_of_zeros_is_no_context(batches):
    unconditional, without = chain(6), chain(6, context=0)
    assert equal(
        weights(steps(unconditional, batches, Settings(conditional=False))),
        weights(steps(without, batches, Settings())),
    )
    assert not equal(weights(steps(unconditional, batches, Settings())), weights(steps(without, batches, Settings())))


def test_both_targets_are_one_where_the_next_block_receives_the_truth(batches):
    targets = [
        predictors(steps(chain(7), batches, Settings(mixing=1.0, target=target))) for target in ("bootstrapped", "true")
    ]
    assert equal(*targets)
    apart = [predictors(steps(chain(7), batches, Settings(target=target))) for target in ("bootstrapped", "true")]
    assert not equal(*apart)


def test_the_last_predictor_learns_the_true_gradient_whatever_the_target(batches):
    last = [
        steps(chain(7), batches[:1], Settings(target=target)).gradient_predictors[-1]
        for target in ("bootstrapped", "true")
    ]
    assert equal(last[0].weights, last[1].weights)


def test_in_the_warm_up_blocks_follow_backpropagation_while_predictors_learn(batches):
    warm, back = (steps(chain(8), batches, Settings(**choice)) for choice in ({"warm_up": 4}, {"mixing": 1.0}))
    assert equal(weights(warm), weights(back)) and equal(predictors(warm), predictors(back))
    assert all(w.any() for w in predictors(warm))
    assert not equal(weights(steps(chain(8), batches, Settings(warm_up=3))), weights(back))


def test_where_one_block_updates_at_a_step_it_does_not_matter_whether_blocks_take_turns(batches):
    masks = tf.eye(4)
    at_once, in_turn = (steps(chain(), batches, Settings(in_turn=turns), masks) for turns in (False, True))
    assert equal(weights(at_once), weights(in_turn)) and equal(predictors(at_once), predictors(in_turn))
    assert not equal(*(weights(steps(chain(), batches, Settings(in_turn=turns))) for turns in (False, True)))


def test_a_masked_block_stays_as_it_is_statistics_and_clock_included(batches):
    cutted = chain(9)
    state = cutted.state()
    new = one_step(cutted, state, batches[0], Settings(), mask=tf.constant([0.0, 1.0, 0.0, 0.0]))
    for k in (0, 2, 3):
        for a, b in zip(tf.nest.flatten(new.blocks[k]), tf.nest.flatten(state.blocks[k]), strict=True):
            assert np.array_equal(a, b)
    assert new.blocks[1].optimizer_state.step == 1.0
    assert not np.array_equal(new.blocks[1].statistics[0], state.blocks[1].statistics[0])


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("divide_by_loss", [True, False])
def test_the_predictor_s_loss_is_what_its_arguments_say(batches, reduction, divide_by_loss):
    cutted = chain(11, optimizer=GradientDescent())
    x, y = batches[0]
    settings = Settings(reduction=reduction, divide_by_loss=divide_by_loss, predictor_learning_rate=1.0)
    state = cutted.state()
    new, passes, messages = Step(cutted, settings.tensors())(state, x, y, tf.ones([4]))
    change = new.gradient_predictors[2].weights[1]
    size = 15 * 7 if reduction == "mean" else 7
    expected = (
        2 * np.sum(messages.propagated[2], axis=0) / size / (passes.blocks[-1].output.numpy() if divide_by_loss else 1)
    )
    np.testing.assert_allclose(change, expected, rtol=1e-4, atol=1e-9)


def test_with_predicted_inputs_no_block_reads_another_s_output(batches):
    cutted = chain(12, predict_inputs=True)
    state = steps(cutted, batches, Settings())
    other = state._replace(blocks=[damaged(state.blocks[0]), *state.blocks[1:]])
    step = Step(cutted, Settings().tensors())
    outputs = [[one.output.numpy() for one in step.forward(s, *batches[0]).blocks] for s in (state, other)]
    assert not np.array_equal(outputs[0][0], outputs[1][0])
    assert equal(outputs[0][1:], outputs[1][1:])
    assert all(w.numpy().any() for learner in state.input_predictors for w in learner.weights)


def test_modes_are_the_chapter_s_five():
    assert list(modes()) == ["backpropagation", "no backpropagation", "DNI", "cDNI", "cDNI unlocked"]
    assert modes(learning_rate=0.5)["no backpropagation"].predictor_learning_rate == 0.0


def test_a_loss_that_ignores_the_network_is_refused(batches):
    cutted = chain(13, loss=lambda y, z: tf.reduce_mean(y))
    with pytest.raises(InputError, match=r"loss gives the block that ends in .* a gradient of None; it must depend"):
        one_step(cutted, cutted.state(), batches[0], Settings())


@pytest.mark.parametrize("probability", [0.0, -0.1, 1.1, float("nan")])
def test_an_update_probability_outside_its_range_is_refused(probability):
    with pytest.raises(ValueError, match="update_probability"):
        Settings(update_probability=probability)


@pytest.mark.parametrize("choice", [{"mixing": 1.5}, {"target": "truth"}, {"warm_up": -1}, {"learning_rate": -1.0}])
def test_other_choices_outside_their_range_are_refused(choice):
    with pytest.raises(ValueError, match=next(iter(choice))):
        Settings(**choice)


def test_a_predictor_with_hidden_layers_learns_too(batches):
    layers = [keras.layers.Dense(4, name="one"), keras.layers.Dense(CLASSES)]
    interface = Interface("one", SyntheticGradient(hidden=[6]))
    cutted = cut(keras.Sequential([keras.Input([5]), *layers]), [interface], loss=cross_entropy, context=CLASSES)
    state = steps(cutted, batches, Settings())
    assert [w.shape for w in state.gradient_predictors[0].weights] == [(7, 6), (6,), (6, 4), (4,)]
    assert equal(weights(cutted.state()), [v.numpy() for block in cutted.blocks for v in variables(block)])
    assert not equal(weights(state)[:2], weights(cutted.state())[:2])


def sure_of_the_first_class() -> tuple[Chain, State, list[tf.Tensor]]:
    """A network that is so sure of the right class that its loss rounds to 0."""
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(6, "relu", name="hidden"), keras.layers.Dense(2)]
    cutted = cut(keras.Sequential([keras.Input([5]), *layers]), ["hidden"], loss=cross_entropy)
    state = cutted.state()
    state.blocks[1].weights[1] = tf.constant([200.0, 0.0])
    x = np.random.default_rng(0).normal(size=(4, 5)).astype("float32")
    return cutted, state, [tf.constant(x), tf.constant([[1.0, 0.0]] * 4)]


@pytest.mark.parametrize("mixing", [0.0, 0.5, 1.0])
def test_a_loss_of_zero_teaches_nothing_and_spoils_nothing(mixing):
    cutted, state, batch = sure_of_the_first_class()
    step, new = Step(cutted, Settings(mixing=mixing).tensors()), state
    for time in range(2):
        new, passes, _ = step(new, *batch, tf.ones([2]), time)
    assert passes.blocks[-1].output == 0
    assert equal(predictors(new), predictors(state))
    assert all(np.isfinite(w).all() for w in weights(new))


def test_gradients_of_an_embedding_are_dense():
    words, labels = np.random.default_rng(0).integers(0, 5, (8, 4)), tf.one_hot([0, 1] * 4, 3)
    layers = [keras.layers.Embedding(20, 6), keras.layers.Flatten(name="flat"), keras.layers.Dense(3)]
    model = keras.Sequential([keras.Input([4], dtype="int32"), *layers])
    cutted = cut(model, ["flat"], loss=cross_entropy)
    state, batch = cutted.state(), (tf.constant(words, tf.int32), labels)
    new = one_step(cutted, state, batch, Settings(mixing=1.0))
    (before, *_), (after, *_) = weights(state), weights(new)
    seen = np.isin(np.arange(20), words)
    assert np.array_equal(np.any(before != after, axis=1), seen)

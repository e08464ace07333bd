"""A step: identities that hold for any network, and the independence of its blocks."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from synthetic_helpers import CLASSES, chain, steps

from gradbook.errors import InputError
from gradbook.synthetic.chain import Interface, cross_entropy, cut, squared_error, variables
from gradbook.synthetic.linear import exact_predictor
from gradbook.optimizers import GradientDescent
from gradbook.synthetic.predictors import SyntheticGradient
from gradbook.synthetic.settings import Policy, modes
from gradbook.synthetic.step import Choices, Form, forward, letters, step, update

NEVER = Policy(predictor_learning_rate=0.0)


def weights(state) -> list[np.ndarray]:
    return [w.numpy() for learner in state.blocks for w in learner.weights]


def predictors(state) -> list[np.ndarray]:
    return [w.numpy() for learner in state.gradients for w in learner.weights]


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


def test_mixing_of_one_is_backpropagation_bit_by_bit_whatever_the_predictors_say(batches):
    (x, y), cutted = batches[0], chain(1)
    state, policy = cutted.state(), Policy(mixing=1.0)
    for learner in state.gradients:
        learner.weights[0] += 100.0
    passes = forward(cutted, state, x, y, Choices.of(policy))
    post = letters(passes, Choices.of(policy), tf.constant(0))
    with tf.GradientTape() as tape:
        tape.watch([w for block in state.blocks for w in block.weights])
        h = x
        for block, learner in zip(cutted.blocks, state.blocks, strict=True):
            h, _ = block.stateless_call(learner.weights, learner.statistics, h, training=True)
        loss = cross_entropy(y, h)
    whole = tape.gradient(loss, [learner.weights for learner in state.blocks])
    heard = [*post.heard, tf.ones([])]
    for block, message, expected in zip(passes.blocks, heard, whole, strict=True):
        assert equal(block.gradients(message), expected)


def test_mixing_of_one_trains_as_keras_does_batch_statistics_included(batches):
    cutted = chain(1)
    mine = steps(cutted, batches, Policy(mixing=1.0))
    model = keras.Sequential([keras.Input([5]), *(layer for block in cutted.blocks for layer in block.layers[1:])])
    theirs = keras_backpropagation(model, batches)
    for a, b in zip(weights(mine), theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    cutted.assign(mine)
    assert equal(weights(cutted.state()), weights(mine))


def test_blocks_that_hear_the_true_gradient_from_a_perfect_predictor_do_as_in_backpropagation(batches):
    """With a linear readout and a squared loss the exact predictor is known."""
    cutted = chain(2, depth=1, loss=squared_error, optimizer=GradientDescent())
    state = cutted.state()
    readout, bias = (w.numpy() for w in state.blocks[-1].weights)
    assert not bias.any()
    kernel = np.concatenate(exact_predictor(readout))
    perfect = state._replace(gradients=[state.gradients[0]._replace(weights=[tf.constant(kernel), tf.zeros([7])])])
    rate = {"learning_rate": 0.01}
    after = [
        weights(one_step(cutted, start, batches[0], policy))
        for start, policy in [(perfect, Policy(target="true", **rate)), (state, Policy(mixing=1.0, **rate))]
    ]
    for a, b in zip(*after, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def one_step(cutted, state, batch, policy, drawn=None):
    choices, form = Choices.of(policy), Form.of(policy)
    drawn = tf.ones([len(cutted.blocks)]) if drawn is None else drawn
    return step(cutted, state, *batch, drawn, choices, form, tf.constant(0))[0]


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_blocks_updated_in_any_order_give_the_same_weights(batches, order):
    cutted = chain(3, predict_inputs=True)
    choices, form = Choices.of(Policy()), Form.of(Policy())
    state = steps(cutted, batches[:2], Policy())
    passes = forward(cutted, state, *batches[2], choices)
    post = letters(passes, choices, tf.constant(2))
    new = state
    for k in order:
        new = update(cutted, new, k, passes, post, choices, form)
    expected = one_step(cutted, state, batches[2], Policy())
    for a, b in zip(tf.nest.flatten(new), tf.nest.flatten(expected), strict=True):
        assert np.array_equal(a, b)
    assert not equal(weights(new), weights(state))


def test_a_block_reads_nothing_from_above_but_the_prediction(batches):
    """Whatever becomes of the blocks above, the first block moves alike: that is what unlocked means."""
    cutted = chain(4)
    state = steps(cutted, batches, Policy())
    other = state._replace(blocks=[state.blocks[0], *(damaged(learner) for learner in state.blocks[1:])])
    moved = [one_step(cutted, start, batches[0], Policy(divide_by_loss=False)).blocks[0] for start in (state, other)]
    assert equal(moved[0].weights, moved[1].weights)
    listening = [one_step(cutted, start, batches[0], Policy(mixing=0.5)).blocks[0] for start in (state, other)]
    assert not equal(listening[0].weights, listening[1].weights)


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
    blind, without = chain(6), chain(6, context=0)
    assert equal(weights(steps(blind, batches, Policy(conditional=False))), weights(steps(without, batches, Policy())))
    assert not equal(weights(steps(blind, batches, Policy())), weights(steps(without, batches, Policy())))


def test_both_targets_are_one_where_the_next_block_hears_the_truth(batches):
    targets = [
        predictors(steps(chain(7), batches, Policy(mixing=1.0, target=target))) for target in ("bootstrapped", "true")
    ]
    assert equal(*targets)
    apart = [predictors(steps(chain(7), batches, Policy(target=target))) for target in ("bootstrapped", "true")]
    assert not equal(*apart)


def test_the_last_predictor_hears_the_true_gradient_whatever_the_target(batches):
    last = [steps(chain(7), batches[:1], Policy(target=target)).gradients[-1] for target in ("bootstrapped", "true")]
    assert equal(last[0].weights, last[1].weights)


def test_in_the_warm_up_blocks_follow_backpropagation_while_predictors_learn(batches):
    warm, back = (steps(chain(8), batches, Policy(**choice)) for choice in ({"warm_up": 4}, {"mixing": 1.0}))
    assert equal(weights(warm), weights(back)) and equal(predictors(warm), predictors(back))
    assert all(w.any() for w in predictors(warm))
    assert not equal(weights(steps(chain(8), batches, Policy(warm_up=3))), weights(back))


def test_a_block_that_is_not_drawn_stays_as_it_is_statistics_and_clock_included(batches):
    cutted = chain(9)
    state = cutted.state()
    new = one_step(cutted, state, batches[0], Policy(), drawn=tf.constant([0.0, 1.0, 0.0, 0.0]))
    for k in (0, 2, 3):
        for a, b in zip(tf.nest.flatten(new.blocks[k]), tf.nest.flatten(state.blocks[k]), strict=True):
            assert np.array_equal(a, b)
    assert new.blocks[1].slots[0] == 1.0
    assert not np.array_equal(new.blocks[1].statistics[0], state.blocks[1].statistics[0])


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("divide_by_loss", [True, False])
def test_the_predictor_s_loss_is_what_its_arguments_say(batches, reduction, divide_by_loss):
    cutted = chain(11, optimizer=GradientDescent())
    x, y = batches[0]
    policy = Policy(reduction=reduction, divide_by_loss=divide_by_loss, predictor_learning_rate=1.0)
    state = cutted.state()
    passes = forward(cutted, state, x, y, Choices.of(policy))
    post = letters(passes, Choices.of(policy), tf.constant(0))
    change = one_step(cutted, state, batches[0], policy).gradients[2].weights[1]
    size = 15 * 7 if reduction == "mean" else 7
    expected = 2 * np.sum(post.carried[2], axis=0) / size / (passes.loss.numpy() if divide_by_loss else 1)
    np.testing.assert_allclose(change, expected, rtol=1e-4, atol=1e-9)


def test_with_predicted_inputs_no_block_reads_another_s_output(batches):
    cutted = chain(12, predict_inputs=True)
    state = steps(cutted, batches, Policy())
    other = state._replace(blocks=[damaged(state.blocks[0]), *state.blocks[1:]])
    x, y = batches[0]
    outputs = [
        [one.output.numpy() for one in forward(cutted, s, x, y, Choices.of(Policy())).blocks] for s in (state, other)
    ]
    assert not np.array_equal(outputs[0][0], outputs[1][0])
    assert equal(outputs[0][1:], outputs[1][1:])
    assert all(w.numpy().any() for learner in state.inputs for w in learner.weights)


def test_modes_are_the_chapter_s_five():
    assert list(modes()) == ["backpropagation", "no backpropagation", "DNI", "cDNI", "cDNI unlocked"]
    assert modes(learning_rate=0.5)["no backpropagation"].predictor_learning_rate == 0.0


def test_a_loss_that_ignores_the_network_is_refused(batches):
    cutted = chain(13, loss=lambda y, z: tf.reduce_mean(y))
    with pytest.raises(InputError, match=r"loss gives the block that ends in .* a gradient of None; it must depend"):
        one_step(cutted, cutted.state(), batches[0], Policy())


@pytest.mark.parametrize("probability", [0.0, -0.1, 1.1, float("nan")])
def test_an_update_probability_outside_its_range_is_refused(probability):
    with pytest.raises(ValueError, match="update_probability"):
        Policy(update_probability=probability)


@pytest.mark.parametrize("choice", [{"mixing": 1.5}, {"target": "truth"}, {"warm_up": -1}, {"learning_rate": -1.0}])
def test_other_choices_outside_their_range_are_refused(choice):
    with pytest.raises(ValueError, match=next(iter(choice))):
        Policy(**choice)


def test_a_predictor_with_hidden_layers_learns_too(batches):
    layers = [keras.layers.Dense(4, name="one"), keras.layers.Dense(CLASSES)]
    interface = Interface("one", SyntheticGradient(hidden=[6]))
    cutted = cut(keras.Sequential([keras.Input([5]), *layers]), [interface], loss=cross_entropy, context=CLASSES)
    state = steps(cutted, batches, Policy())
    assert [w.shape for w in state.gradients[0].weights] == [(7, 6), (6,), (6, 4), (4,)]
    assert equal(weights(cutted.state()), [v.numpy() for block in cutted.blocks for v in variables(block)])
    assert not equal(weights(state)[:2], weights(cutted.state())[:2])

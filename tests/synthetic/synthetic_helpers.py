"""Small networks, and steps on them, that the tests of Part II share."""

import keras
import tensorflow as tf

from gradbook.synthetic.chain import Chain, cross_entropy, cut
from gradbook.synthetic.settings import Policy
from gradbook.synthetic.step import Choices, Form, step

CLASSES = 3


def network(depth: int = 3, width: int = 7, inputs: int = 5, classes: int = CLASSES) -> keras.Sequential:
    """Dense + BatchNormalization + ReLU, `depth` times, and a dense readout."""
    layers = [keras.Input([inputs])]
    for k in range(1, depth + 1):
        layers += [keras.layers.Dense(width), keras.layers.BatchNormalization(), keras.layers.ReLU(name=f"relu_{k}")]
    return keras.Sequential([*layers, keras.layers.Dense(classes)])


def chain(seed: int = 0, depth: int = 3, **options) -> Chain:
    keras.utils.set_random_seed(seed)
    options = {"loss": cross_entropy, "context": CLASSES} | options
    return cut(network(depth), [f"relu_{k}" for k in range(1, depth + 1)], **options)


def steps(chain: Chain, batches, policy: Policy, drawn=None):
    """The state after a step on every batch, eagerly; every block updates where no draws are given."""
    state, choices, form = chain.state(), Choices.of(policy), Form.of(policy)
    drawn = tf.ones([len(batches), len(chain.blocks)]) if drawn is None else drawn
    for time, (x, y) in enumerate(batches):
        state, *_ = step(chain, state, x, y, drawn[time], choices, form, tf.constant(time))
    return state

"""Small networks, and steps on them, that the tests of Part II share."""

import keras
import tensorflow as tf

from gradbook.synthetic.chain import Chain, cross_entropy, cut
from gradbook.synthetic.settings import Settings
from gradbook.synthetic.step import Step

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


def steps(chain: Chain, batches, settings: Settings, masks=None):
    """The state after a step on every batch, eagerly; every block updates where no masks are given."""
    state, step = chain.state(), Step(chain, settings.tensors())
    masks = tf.ones([len(batches), len(chain.blocks)]) if masks is None else masks
    for time, (x, y) in enumerate(batches):
        state, *_ = step(state, x, y, masks[time], time)
    return state

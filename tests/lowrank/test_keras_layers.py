"""Keras' own test of layers, on every public layer of the part."""

import keras
import numpy as np
import pytest
from keras.src.testing import TestCase

from gradbook.lowrank import convs
from gradbook.lowrank.convs import FAMILIES
from gradbook.lowrank.networks import DropPath
from gradbook.lowrank.normalisation import BatchNormalization

images = np.random.default_rng(0).standard_normal((2, 5, 5, 8), np.float32)
VALUES = {"grouped": 2, "bottleneck": 2, "low_rank": 0.5, "acdc": 2}


def arguments(family):
    chosen = {family.hyperparameter: VALUES.get(family.name, family.example)} if family.hyperparameter else {}
    return {"filters": 4, "kernel_size": 3, "padding": "same", "activation": "relu"} | family.options | chosen


KINDS = {name: (family.layer, arguments(family), (2, 5, 5, 4)) for name, family in FAMILIES.items()} | {
    "family_dense": (convs.FamilyDense, {"convolution": convs.LowRank(4, 1, rank=0.5)}, (2, 5, 5, 4)),
    "drop_path": (DropPath, {}, images.shape),
    "batch_normalization": (BatchNormalization, {}, images.shape),
}


@pytest.mark.filterwarnings("ignore:The model does not have any trainable weights")  # Keras trains each kind alone
@pytest.mark.filterwarnings("ignore:.*shuffle=True. was passed")  # and does not say that its data are a generator
@pytest.mark.parametrize("kind", KINDS)
def test_keras_own_test_of_layers(kind):
    layer, options, shape = KINDS[kind]
    keras.utils.set_random_seed(0)
    case = TestCase()
    case.setUp()
    case.run_layer_test(layer, options, input_data=images, expected_output_shape=shape)

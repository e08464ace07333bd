"""The networks are the published ones, and the large one does to small images what its convolutions would."""

import math

import numpy as np
import pytest
from keras import layers
from keras.models import clone_model, load_model

from gradbook.auxiliary.networks import residual, small
from gradbook.auxiliary.resnet import ToOnePixel
from gradbook.errors import InputError
from gradbook.seeds import set_seed


def test_the_small_network_is_the_published_one():
    model = small((28, 28, 1))
    assert [part.count_params() for part in model.models] == [320 + 18496, 401536 + 258, 401536 + 258]


@pytest.fixture(scope="module")
def resnet():
    set_seed(0)
    return residual((64, 64, 3))


def test_the_large_network_has_the_published_number_of_parameters(resnet):
    parts = resnet.trunk, resnet.main
    assert sum(part.count_params() for part in parts) == 11_196_354
    assert sum(math.prod(w.shape) for part in parts for w in part.trainable_variables) == 11_186_626
    assert sum(math.prod(w.shape) for w in resnet.trunk.trainable_variables if w.name == "unreached") == 6_946_816


def test_images_that_are_not_square_are_refused():
    with pytest.raises(InputError, match="images must be square; received 32×64 pixels"):
        residual((32, 64, 3))


@pytest.mark.parametrize(("size", "strides"), [(1, 1), (2, 2), (1, 2)])
def test_a_convolution_onto_one_pixel_is_the_convolution(size, strides):
    random = np.random.default_rng(0)
    pixels = random.normal(size=(3, size, size, 4)).astype(np.float32)
    ours, plain = ToOnePixel(5, 3), layers.Conv2D(5, 3, strides, padding="same")
    ours(pixels), plain(pixels)
    plain.set_weights([ours.kernel, ours.bias])
    np.testing.assert_allclose(ours(pixels), plain(pixels), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("way", ["clone_model", "file"])
def test_the_large_trunk_can_be_copied(resnet, way, tmp_path):
    if way == "file":
        resnet.trunk.save(tmp_path / "trunk.keras")
        copy = load_model(tmp_path / "trunk.keras")
    else:
        copy = clone_model(resnet.trunk)
        copy.set_weights(resnet.trunk.get_weights())
    image = np.random.default_rng(0).random((1, 64, 64, 3), np.float32)
    np.testing.assert_array_equal(copy(image), resnet.trunk(image))


def test_with_one_image_a_batch_normalisation_by_the_batch_sees_nothing(resnet):
    a, b = np.random.default_rng(0).random((2, 1, 64, 64, 3), np.float32)
    assert not np.allclose(resnet.trunk(a), resnet.trunk(b))
    np.testing.assert_array_equal(*(resnet.trunk(image, training=True) for image in (a, b)))

"""The network of the published notebook as pure functions."""

import math

import numpy as np
import pytest

from gradbook.errors import InputError
from gradbook.gradnets import DeepNetwork, hidden_layers
from gradbook.seeds import generator


def test_the_published_network_starts_as_published():
    weights = DeepNetwork(784).initial_weights("truncated_normal", 0.0, generator(0, "weights"))
    weights = [w.numpy() for w in weights]
    assert sum(w.size for w in weights) == 162_160
    expected = 0.1 * math.sqrt(2 / math.pi) * (1 - math.exp(-2)) / math.erf(math.sqrt(2))
    assert expected == pytest.approx(0.07228, abs=5e-6)
    assert np.abs(weights[2]).mean() == pytest.approx(expected, rel=0.01)
    assert np.abs(weights[2]).max() <= 0.2
    assert not any(w.any() for w in weights[1::2])


def test_initializers_have_the_variance_or_the_angles_they_are_named_for():
    draw = generator(1)
    he = DeepNetwork(4).initial_weights("he", 0.0, draw)[2].numpy()
    assert he.var() == pytest.approx(2 / 50, rel=0.05)
    w = DeepNetwork(4, depth=4).initial_weights("orthogonal", 0.0, draw)[2].numpy()
    np.testing.assert_allclose(np.swapaxes(w, 1, 2) @ w, np.broadcast_to(np.eye(50), (2, 50, 50)), atol=1e-5)


def test_gates_of_a_highway_start_at_minus_two():
    biases = DeepNetwork(4, layer="highway").initial_weights("truncated_normal", 0.1, generator(1))[3].numpy()
    assert np.unique(biases[:, :50]) == np.float32(0.1) and np.unique(biases[:, 50:]) == -2


def test_masks_are_drawn_only_where_units_are_dropped():
    noise = generator(0).bit_generator
    before = noise.state
    assert DeepNetwork(4).random_bits(3, 7, noise).size == 0
    assert noise.state == before
    bits = DeepNetwork(4, depth=5, width=6, keep=0.5).random_bits(3, 7, noise)
    assert bits.shape == (3, 4, 7, 6) and bits.dtype == np.uint16


def test_unknown_names_are_refused():
    with pytest.raises(InputError, match="unknown initializer 'glorot'; Known: truncated_normal, he, orthogonal"):
        DeepNetwork(4).initial_weights("glorot", 0.0, generator(0))
    with pytest.raises(InputError, match="unknown layer 'higway'; did you mean 'highway'"):
        DeepNetwork(4, layer="higway").initial_weights("he", 0.0, generator(0))


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: DeepNetwork(4, keep=1.5), r"keep must be in \(0, 1\]; received 1.5"),
        (lambda: hidden_layers("identity", 0.0), r"keep must be in \(0, 1\]; received 0.0"),
        (lambda: DeepNetwork(4, depth=2), "depth must be at least 3; received 2"),
    ],
)
def test_numbers_out_of_range_are_refused(make, sentence):
    with pytest.raises(InputError, match=sentence):
        make()

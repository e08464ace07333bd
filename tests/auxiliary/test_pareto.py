"""The two-task toy of CAGrad: the losses that its authors' code gives, and where descents end."""

import numpy as np
import pytest
import tensorflow as tf

from gradbook.auxiliary import pareto
from gradbook.errors import InputError

LOSSES = {
    (-8.5, 7.5): (6.5524, 7.9008),
    (-8.5, -5.0): (4.0599, -19.4215),
    (9.0, 9.0): (7.9439, 6.6915),
    (0.0, 0.0): (0.0, 0.0),
    (-7.5, -0.5): (0.3888, -4.7545),
    (9.0, -1.0): (-8.8311, 2.8143),
    (0.0, -8.35511): (-15.09164, -15.09164),
}


def test_the_losses_at_its_starts():
    found = pareto.losses(tf.constant(list(LOSSES), tf.float64)).numpy().T
    assert found == pytest.approx(np.array(list(LOSSES.values())), abs=1e-4)


def test_each_loss_and_their_mean_are_flat_at_their_minima():
    x = tf.constant([[7.0, -8.43446], [-7.0, -8.43446], pareto.MINIMUM], tf.float64)
    _, gradients = pareto.slopes(x, tf.constant(1.0, tf.float64))
    first, second, mean = gradients[0, 0], gradients[1, 1], gradients[:, 2].numpy().mean(0)
    for slope in (first, second, mean):
        assert np.asarray(slope) == pytest.approx([0, 0], abs=1e-6)


def test_on_the_kink_the_slopes_are_those_of_the_published_code():
    _, gradients = pareto.slopes(tf.constant([[0.0, 0.0]], tf.float64), tf.constant(1.0, tf.float64))
    assert gradients[:, 0].numpy() == pytest.approx(np.array([[0, 10.856], [0, 10.856]]), abs=1e-3)


@pytest.mark.parametrize("how", ["mgda", "famo"])
def test_a_descent_from_below_ends_on_the_front(how):
    path = pareto.descend(how, [(-8.5, -5.0)], learning_rate=0.02, steps=1500, every=500)
    assert path.shape == (4, 1, 2)
    assert path[0, 0].tolist() == [-8.5, -5.0]
    assert pareto.on_the_front(path[-1]).all()


def test_a_descent_can_be_repeated():
    one, other = (pareto.descend("graddrop", steps=20, every=10, seed=3) for _ in range(2))
    assert (one == other).all()


@pytest.mark.parametrize(
    ("how", "choices", "sentence"),
    [
        ("mgdaa", {}, "did you mean 'mgda'"),
        ("mgda", {"c": 1}, "unknown option of mgda 'c'"),
        ("famo", {"c": 1}, "famo takes no options; received c"),
        ("famo", {"decay": 0.1, "lowest": -21.0}, "famo takes no options; received decay, lowest"),
        ("cagrad", {"c": -1}, "c of cagrad must be 0 or more; received -1"),
        ("mgda", {"steps": 0}, "steps must be positive; received 0"),
        ("mgda", {"scale": -1.0}, "scale must be positive; received -1.0"),
    ],
)
def test_what_cannot_be_descended_is_refused(how, choices, sentence):
    with pytest.raises(InputError, match=sentence):
        pareto.descend(how, **choices)

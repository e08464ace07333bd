"""A step on two tasks with a separate trunk for the auxiliary one."""

import numpy as np
import pytest
import tensorflow as tf

from gradbook.auxiliary import two_headed
from gradbook.auxiliary.networks import small
from gradbook.seeds import set_seed


def test_a_separate_trunk_goes_along_in_agreement_and_its_own_way_in_conflict():
    set_seed(0)
    model, separate = small((8, 8, 1)), small((8, 8, 1)).trunk
    separate.set_weights(model.trunk.get_weights())
    examples = tf.random.stateless_uniform((2, 8, 8, 1), (0, 1)), tf.constant([0, 1])
    options = {"weight": 1.0, "learning_rate": 0.1}
    model.auxiliary.set_weights(model.main.get_weights())
    same = two_headed.descend_separate_trunks(model, separate, examples, examples, **options)
    assert float(same[0]) == pytest.approx(1)
    for mine, its in zip(model.trunk.get_weights(), separate.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, its)

    before = model.trunk.get_weights()
    opposite = examples[0], 1 - examples[1]
    v, _ = two_headed.gradients(model.trunk, model.main, examples)
    u, _ = two_headed.gradients(separate, model.auxiliary, opposite)
    assert two_headed.descend_separate_trunks(model, separate, examples, opposite, **options)[0] < 0
    for trunk, gradient in ((model.trunk, v), (separate, u)):
        for now, then, change in zip(trunk.get_weights(), before, gradient, strict=True):
            np.testing.assert_allclose(now, then - 0.1 * change, atol=1e-6)

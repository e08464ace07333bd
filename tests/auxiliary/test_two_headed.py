"""A step on two tasks with a separate trunk for the auxiliary one."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

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
    near = examples[0] + 0.01 * tf.random.stateless_uniform((2, 8, 8, 1), (0, 2)), examples[1]
    v, _ = two_headed.gradients(model.trunk, model.main, examples)
    u, _ = two_headed.gradients(separate, model.auxiliary, near)
    agreed = two_headed.descend_separate_trunks(model, separate, examples, near, weight=0.5, learning_rate=0.1)[0]
    assert 0 < agreed < 1
    for trunk in (model.trunk, separate):
        for now, then, main, auxiliary in zip(trunk.get_weights(), before, v, u, strict=True):
            np.testing.assert_allclose(now, then - 0.1 * (main + 0.5 * auxiliary), atol=1e-6)
    separate.set_weights(model.trunk.get_weights())

    before = model.trunk.get_weights()
    opposite = examples[0], 1 - examples[1]
    v, _ = two_headed.gradients(model.trunk, model.main, examples)
    u, _ = two_headed.gradients(separate, model.auxiliary, opposite)
    assert two_headed.descend_separate_trunks(model, separate, examples, opposite, **options)[0] < 0
    for trunk, gradient in ((model.trunk, v), (separate, u)):
        for now, then, change in zip(trunk.get_weights(), before, gradient, strict=True):
            np.testing.assert_allclose(now, then - 0.1 * change, atol=1e-6)


def test_embeddings_in_trunk_and_heads_are_trained_as_dense_weights_would_be():
    set_seed(0)
    words, table = keras.Input((4,), dtype="int32"), layers.Embedding(20, 6)
    trunk = keras.Model(words, layers.GlobalAveragePooling1D()(table(words)))
    heads = [keras.Sequential([keras.Input((6,)), layers.Dense(2)]) for _ in range(2)]
    model = two_headed.TwoHeaded(trunk, *heads)
    random = np.random.default_rng(0)
    main, auxiliary = (
        (tf.constant(random.integers(0, 5, (8, 4)), tf.int32), tf.constant(random.integers(0, 2, 8), tf.int32))
        for _ in range(2)
    )
    (v, _), (u, _) = (
        two_headed.gradients(trunk, head, one) for head, one in zip(heads, (main, auxiliary), strict=True)
    )
    before = table.embeddings.numpy()
    measured = two_headed.descend(model, main, auxiliary, "multitask", scope="global", weight=1.0, learning_rate=0.1)
    np.testing.assert_allclose(measured[1:], [tf.norm(u[0]), tf.norm(v[0])], rtol=1e-5)
    np.testing.assert_allclose(table.embeddings, before - 0.1 * (u[0] + v[0]), atol=1e-6)

    tokens = keras.Sequential([keras.Input((4,), dtype="int32"), layers.Identity()])
    bags = [keras.Sequential([words, layers.Embedding(20, 2), layers.GlobalAveragePooling1D()]) for _ in range(2)]
    two_headed.descend(
        two_headed.TwoHeaded(tokens, *bags),
        main,
        auxiliary,
        "projection",
        scope="global",
        weight=1.0,
        learning_rate=0.1,
    )

"""The small problems and descents end where arithmetic says they must."""

import numpy as np
import pytest
import tensorflow as tf

from gradbook.auxiliary import RULES
from gradbook.auxiliary.toy import LINE, PLANE, Loss, Problem, bowl, cosines, descend, ring
from gradbook.errors import InputError


def test_on_the_line_the_cosine_is_a_sign():
    inside, outside = np.linspace(0.01, 9.99, 50), np.array([-25.0, -0.01, 10.01, 29.99])
    assert (cosines(LINE, inside[:, None]) == -1).all()
    assert (cosines(LINE, outside[:, None]) == 1).all()
    assert (cosines(LINE, np.array([[0.0], [10.0]])) == 0).all()


@pytest.mark.parametrize("loss", (bowl(10.0, -1.0), ring()), ids=("bowl", "ring"))
def test_gradients_are_the_derivatives_of_the_losses(loss: Loss):
    points = tf.constant([[0.3, -0.2], [2.0, 1.0], [0.0, 2.0]], tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(points)
        values = loss.value(points)
    np.testing.assert_allclose(loss.gradient(points), tape.gradient(values, points), rtol=1e-12)


def test_the_ring_s_gradient_is_zero_at_its_centre():
    assert ring().gradient(tf.zeros(2, tf.float64)).numpy().tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("rule", "end"),
    [("single_task", (0, 1)), ("multitask", (1.2 / 1.1, 0)), ("projection", (1, 0)), ("orthogonal", (1, 0))],
)
def test_gradient_descent_ends_where_the_kept_gradient_vanishes(rule, end):
    path = descend(PLANE, rule, start=[0.0, 2.0])
    assert path.shape == (5001, 2)
    assert path[0].tolist() == [0.0, 2.0]
    np.testing.assert_allclose(path[-1], end, atol=1e-7)


@pytest.mark.parametrize(("rule", "end"), [("single_task", (0, 1)), ("multitask", (1.2 / 1.1, 0))])
def test_adam_settles_where_the_gradient_of_a_fixed_loss_vanishes(rule, end):
    last = descend(PLANE, rule, start=[0.0, 2.0], optimizer="adam")[-500:]
    np.testing.assert_allclose(last, np.broadcast_to(end, last.shape), atol=1e-7)


def test_adam_settles_under_orthogonal_once_a_main_gradient_of_zero_drops_the_auxiliary_one():
    settled, startled = (
        np.abs(descend(PLANE, "orthogonal", start=[0.0, 2.0], optimizer="adam", at_zero=policy)[-4000:] - [1, 0]).max()
        for policy in ("zero", "keep")
    )
    assert settled < 1e-3 < startled < 0.1


def test_adam_under_projection_hops_about_the_end_for_ever():
    last = descend(PLANE, "projection", start=[0.0, 2.0], optimizer="adam")[-500:]
    assert np.abs(last - [1, 0]).max() < 0.02
    assert np.ptp(last[:, 0]) > 0.001


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule != "multitask"])
def test_a_censored_auxiliary_task_never_raises_the_main_loss(rule):
    path = descend(PLANE, rule, start=[0.0, 2.0], steps=1000)
    assert np.diff(PLANE.main.value(path)).max() < 1e-4


def test_one_step_is_the_formula():
    path = descend(
        Problem(main=bowl(1.0), auxiliary=bowl(-1.0)), "multitask", start=[3.0], weight=0.5, learning_rate=0.1, steps=1
    )
    assert path[1] == pytest.approx(3 - 0.1 * (4 + 0.5 * 8))


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"rule": "projektion"}, "did you mean 'projection'"),
        ({"optimizer": "adem"}, "did you mean 'adam'"),
        ({"weight": -1}, "weight must be 0 or more; received -1"),
        ({"learning_rate": 0}, "learning_rate must be positive; received 0"),
        ({"steps": 0}, "steps must be positive; received 0"),
    ],
)
def test_impossible_descents_are_refused(options, complaint):
    options = {"rule": "projection", "start": [0.0, 2.0]} | options
    with pytest.raises(InputError, match=complaint):
        descend(PLANE, **options)

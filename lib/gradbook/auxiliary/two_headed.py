"""Two tasks, one trunk: a step that censors what the helper's gradient may do to the shared weights."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from gradbook.auxiliary import Rule, Scope
from gradbook.auxiliary.rules import censor, cosine

Examples = tuple[tf.Tensor, tf.Tensor]


@dataclass(frozen=True)
class TwoHeaded:
    """A trunk from images to features that both tasks share, and a private head a task from features to logits."""

    trunk: keras.Model
    main: keras.Model
    helper: keras.Model

    @property
    def models(self) -> tuple[keras.Model, keras.Model, keras.Model]:
        """All three."""
        return self.trunk, self.main, self.helper

    def copy_weights(self, other: "TwoHeaded") -> None:
        """Take over the weights of another network of the same shape."""
        for mine, theirs in zip(self.models, other.models, strict=True):
            mine.set_weights(theirs.get_weights())


def gradients(trunk: keras.Model, head: keras.Model, images: tf.Tensor, labels: tf.Tensor) -> tuple[list, list]:
    """Gradients of one task's mean cross-entropy in the trunk's and in its own head's trainable variables."""
    with tf.GradientTape() as tape:
        logits = head(trunk(images))
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
    return tape.gradient(loss, (trunk.trainable_variables, head.trainable_variables))


def descend(
    network: TwoHeaded,
    main: Examples,
    helper: Examples,
    rule: Rule,
    *,
    scope: Scope,
    weight: float,
    learning_rate: float,
) -> tf.Tensor:
    """One step of gradient descent on both tasks (Du et al. 2018).

    Each task trains its own head. The trunk follows v + weight · kept,
    the main gradient and what is left of the helper's.

    Args:
        network: the weights, which the step changes in place.
        main, helper: images float32 [batch, …] and labels int32 [batch].
        rule, scope: as in `gradbook.auxiliary.censor`.
        weight: λ ≥ 0, the helper's weight in the trunk.
        learning_rate: η > 0.

    Returns:
        cos(u, v), ‖u‖ and ‖v‖ in the trunk, float32 [3].
    """
    v, main_head = gradients(network.trunk, network.main, *main)
    u, helper_head = gradients(network.trunk, network.helper, *helper)
    kept = censor(u, v, rule, scope=scope)
    shared = [v + weight * k for v, k in zip(v, kept, strict=True)]
    directions = (shared, main_head, helper_head)
    for model, direction in zip(network.models, directions, strict=True):
        for variable, change in zip(model.trainable_variables, direction, strict=True):
            variable.assign_sub(learning_rate * change)
    return tf.stack([cosine(u, v), tf.linalg.global_norm(u), tf.linalg.global_norm(v)])


def compiled_epoch(network: TwoHeaded, rule: Rule, **options: Any) -> Callable:
    """Many steps in one compiled call.

    Args:
        network, rule, options: as in `descend`.

    Returns:
        A function of all main and helper examples, each images float32 [n, …] and labels int32 [n], and of those that
        each step sees of either, int32 [steps, batch]. It returns what the steps return, float32 [3, steps].
    """

    def chosen(examples: Examples, indices: tf.Tensor) -> Examples:
        images, labels = examples
        return tf.gather(images, indices), tf.gather(labels, indices)

    @tf.function(reduce_retracing=True)
    def epoch(main: Examples, helper: Examples, main_order: tf.Tensor, helper_order: tf.Tensor) -> tf.Tensor:
        steps = tf.shape(main_order)[0]
        measured = tf.TensorArray(tf.float32, steps)
        for step in tf.range(steps):
            seen = chosen(main, main_order[step]), chosen(helper, helper_order[step])
            measured = measured.write(step, descend(network, *seen, rule, **options))
        return tf.transpose(measured.stack())

    return epoch

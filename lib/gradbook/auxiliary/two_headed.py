"""Two tasks, one trunk: a step that censors what the helper's gradient may do to the shared weights."""

from collections.abc import Callable
from dataclasses import dataclass

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


def chosen(examples: Examples, indices: tf.Tensor) -> Examples:
    """Images and labels of some of the examples."""
    images, labels = examples
    return tf.gather(images, indices), tf.gather(labels, indices)


def epoch(network: TwoHeaded, rule: Rule, *, scope: Scope, weight: float, learning_rate: float) -> Callable:
    """A compiled epoch of gradient descent on both tasks (Du et al. 2018, arXiv 1812.02224, algorithm 1).

    Each task trains its own head; the trunk follows v + weight · kept, the main gradient and the censored helper's.

    Args:
        network: the weights that the epoch changes in place.
        rule, scope: as in `gradbook.auxiliary.censor`.
        weight: λ ≥ 0, the helper's weight in the trunk.
        learning_rate: η > 0.

    Returns:
        A function of the main and the helper examples, each (images float32 [n, …], labels int32 [n]), and of the
        examples that each step sees of either, int32 [steps, batch]. It returns, float32 [3, steps], the cosine of the
        trunk's two gradients and their lengths, ‖u‖ and ‖v‖.
    """

    @tf.function(reduce_retracing=True)
    def run(main: Examples, helper: Examples, main_order: tf.Tensor, helper_order: tf.Tensor) -> tf.Tensor:
        steps = tf.shape(main_order)[0]
        measured = tf.TensorArray(tf.float32, steps)
        for step in tf.range(steps):
            v, main_head = gradients(network.trunk, network.main, *(tf.gather(x, main_order[step]) for x in main))
            u, helper_head = gradients(
                network.trunk, network.helper, *(tf.gather(x, helper_order[step]) for x in helper)
            )
            kept = censor(u, v, rule, scope=scope)
            shared = [v + weight * k for v, k in zip(v, kept, strict=True)]
            for model, direction in zip(network.models, (shared, main_head, helper_head), strict=True):
                for variable, change in zip(model.trainable_variables, direction, strict=True):
                    variable.assign_sub(learning_rate * change)
            measured = measured.write(step, [cosine(u, v), tf.linalg.global_norm(u), tf.linalg.global_norm(v)])
        return tf.transpose(measured.stack())

    return run

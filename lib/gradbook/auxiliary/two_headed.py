"""Two tasks, one trunk: a step that censors what the auxiliary task's gradient may do to the shared weights.

Needs TensorFlow.
"""

from collections.abc import Callable
from dataclasses import dataclass

import keras
import tensorflow as tf

from gradbook.auxiliary.rules import Formula, Rule, Scope, censor, cosine, dense

Examples = tuple[tf.Tensor, tf.Tensor]


@dataclass(frozen=True)
class TwoHeaded:
    """A trunk from images to features that both tasks share, and for each task a head from features to logits."""

    trunk: keras.Model
    main: keras.Model
    auxiliary: keras.Model

    @property
    def models(self) -> tuple[keras.Model, keras.Model, keras.Model]:
        """All three."""
        return self.trunk, self.main, self.auxiliary

    def copy_weights(self, other: "TwoHeaded") -> None:
        """Copy the weights of another network of the same shape."""
        for mine, theirs in zip(self.models, other.models, strict=True):
            mine.set_weights(theirs.get_weights())


def gradients(trunk: keras.Model, head: keras.Model, examples: Examples, *, training: bool = False) -> list[list]:
    """Return the gradients of one task's mean cross-entropy: the trunk's, and those of the task's own head.

    One for each trainable variable, dense, None where a variable does not matter.
    """
    images, labels = examples
    with tf.GradientTape() as tape:
        logits = head(trunk(images, training=training))
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
    slopes = tape.gradient(loss, (trunk.trainable_variables, head.trainable_variables))
    return [[None if g is None else dense(g) for g in part] for part in slopes]


def descend(
    network: TwoHeaded,
    main: Examples,
    auxiliary: Examples,
    rule: str | Rule | Formula,
    *,
    scope: Scope,
    weight: float,
    learning_rate: float,
    training: bool = False,
) -> tf.Tensor:
    """Take one step of gradient descent on both tasks (Du et al. 2018).

    Each task trains its own head. The trunk follows v + weight · kept,
    the main gradient and what is left of the auxiliary one.

    Args:
        network: the weights, which the step changes in place.
        main, auxiliary: images float32 [batch, …] and labels int32 [batch].
        rule, scope: as in `gradbook.auxiliary.censor`.
        weight: λ ≥ 0, the auxiliary task's weight in the trunk.
        learning_rate: η > 0.
        training: whether batch normalisation normalises by the batch, instead of by the averages it holds.

    Returns:
        cos(u, v), ‖u‖ and ‖v‖ in the trunk, float32 [3].
    """
    v, main_head = gradients(network.trunk, network.main, main, training=training)
    u, auxiliary_head = gradients(network.trunk, network.auxiliary, auxiliary, training=training)
    kept = censor(u, v, rule, scope=scope)
    shared = [v if k is None else v + weight * k for v, k in zip(v, kept, strict=True)]
    for model, direction in zip(network.models, (shared, main_head, auxiliary_head), strict=True):
        _subtract(learning_rate, direction, model)
    return tf.stack([cosine(u, v), tf.linalg.global_norm(u), tf.linalg.global_norm(v)])


def descend_separate_trunks(
    network: TwoHeaded,
    separate: keras.Model,
    main: Examples,
    auxiliary: Examples,
    *,
    weight: float,
    learning_rate: float,
    training: bool = False,
) -> tf.Tensor:
    """Take one step of `descend` under `unweighted_cosine` with a separate trunk for the auxiliary task.

    So szkocot (2019) wrote it. Where u·v > 0, both trunks follow v + weight · u. Else each follows its own task, and
    from then on u is the gradient of another network than the one it is compared and combined in.

    Args:
        separate: the auxiliary task's trunk, which starts as a copy of ``network.trunk``.
        network, main, auxiliary, weight, learning_rate, training: as in `descend`, with global scope.

    Returns:
        As `descend` does.
    """
    v, main_head = gradients(network.trunk, network.main, main, training=training)
    u, auxiliary_head = gradients(separate, network.auxiliary, auxiliary, training=training)
    agreed = cosine(u, v)
    gate = tf.cast(agreed > 0, tf.float32)
    pairs = list(zip(u, v, strict=True))
    to_main = [None if u is None else v + gate * weight * u for u, v in pairs]
    to_auxiliary = [None if u is None else gate * v + weight * u for u, v in pairs]
    directions = (to_main, main_head, auxiliary_head, to_auxiliary)
    for model, direction in zip((*network.models, separate), directions, strict=True):
        _subtract(learning_rate, direction, model)
    return tf.stack([agreed, tf.linalg.global_norm(u), tf.linalg.global_norm(v)])


def _subtract(learning_rate: float, direction: list[tf.Tensor], model: keras.Model) -> None:
    for variable, change in zip(model.trainable_variables, direction, strict=True):
        if change is not None:
            variable.assign_sub(learning_rate * change)


def compiled_epoch(step: Callable[[Examples, Examples], tf.Tensor]) -> Callable:
    """Compile many steps into one call.

    Args:
        step: what to do with a batch of main and one of auxiliary examples, such as `descend` with all else filled in.

    Returns:
        A function of all main and auxiliary examples, each images float32 [n, …] and labels int32 [n], and of those
        that each step sees of either, int32 [steps, batch]. It returns what the steps return, float32 [3, steps].
    """

    def chosen(examples: Examples, indices: tf.Tensor) -> Examples:
        images, labels = examples
        return tf.gather(images, indices), tf.gather(labels, indices)

    @tf.function(reduce_retracing=True)
    def epoch(main: Examples, auxiliary: Examples, main_order: tf.Tensor, auxiliary_order: tf.Tensor) -> tf.Tensor:
        steps = tf.shape(main_order)[0]
        measured = tf.TensorArray(tf.float32, steps)
        for number in tf.range(steps):
            seen = chosen(main, main_order[number]), chosen(auxiliary, auxiliary_order[number])
            measured = measured.write(number, step(*seen))
        return tf.transpose(measured.stack())

    return epoch

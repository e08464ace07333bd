"""What training loops share: where weights start, the order in which examples come, what a model scores, how many runs
go on at once, and when a run is lost.
"""

import math
import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import numpy as np

from gradbook.errors import RunError

if TYPE_CHECKING:
    import keras
    import tensorflow as tf


def order(examples: int, shape: tuple[int, ...], generator: np.random.Generator) -> np.ndarray:
    """Draw which example each place of a schedule sees: pass after pass over all of them, each freshly shuffled.

    Args:
        examples: how many there are, ≥ 1.
        shape: of the schedule, such as (epochs, steps, batch); filled row by row.
        generator: where the shuffles come from.

    Returns:
        int32 of that shape, 0 ≤ index < examples.

    >>> order(3, (2, 3), np.random.default_rng(0)).tolist()
    [[2, 0, 1], [2, 1, 0]]
    """
    passes = math.ceil(math.prod(shape) / examples)
    indices = np.concatenate([generator.permutation(examples).astype(np.int32) for _ in range(passes)])
    return indices[: math.prod(shape)].reshape(shape)


def glorot(sizes: Iterable[tuple[int, int]], generator: np.random.Generator) -> list[np.ndarray]:
    """Draw layers of so many inputs and units: kernels uniform in the bounds of Glorot and Bengio (2010), biases zero.

    >>> [array.shape for array in glorot([(3, 2), (2, 1)], np.random.default_rng(0))]
    [(3, 2), (2,), (2, 1), (1,)]
    """
    weights = []
    for inputs, units in sizes:
        bound = np.sqrt(6 / (inputs + units))
        weights += [generator.uniform(-bound, bound, (inputs, units)), np.zeros(units)]
    return [array.astype(np.float32) for array in weights]


def he(sizes: Iterable[tuple[int, int]], generator: np.random.Generator) -> list[np.ndarray]:
    """Draw layers of so many inputs and units: kernels normal with variance 2/inputs (He et al. 2015), biases zero.

    >>> [array.shape for array in he([(3, 2), (2, 1)], np.random.default_rng(0))]
    [(3, 2), (2,), (2, 1), (1,)]
    """
    weights = []
    for inputs, units in sizes:
        weights += [generator.normal(size=(inputs, units)) * np.sqrt(2 / inputs), np.zeros(units)]
    return [array.astype(np.float32) for array in weights]


def evaluator(model: "Callable[[tf.Tensor], tf.Tensor]", batch_size: int = 500) -> Callable:
    """Compile a function from images [n, …] and labels [n] to mean cross-entropy (nats) and accuracy (in [0, 1]).

    Every example counts once, in the last and smaller batch too.

    Args:
        model: from images to logits [batch, classes], in inference mode.
        batch_size: how many images go through at once.
    """
    import tensorflow as tf

    @tf.function(reduce_retracing=True)
    def evaluate(images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        loss, hits = tf.zeros([]), tf.zeros([])
        for start in tf.range(0, tf.size(labels), batch_size):
            truth = labels[start : start + batch_size]
            logits = model(images[start : start + batch_size])
            loss += tf.reduce_sum(tf.nn.sparse_softmax_cross_entropy_with_logits(truth, logits))
            hits += tf.reduce_sum(tf.cast(tf.argmax(logits, -1, truth.dtype) == truth, tf.float32))
        total = tf.cast(tf.size(labels), tf.float32)
        return loss / total, hits / total

    return evaluate


def cores() -> int:
    """Return how many runs to carry on at once: one on each core that TensorFlow, and this process, may use.

    The environment variable ``PYTHON_CPU_COUNT``, which Python reads from 3.13 on, sets another number.
    """
    import tensorflow as tf

    if (asked := os.environ.get("PYTHON_CPU_COUNT", "")).isdigit() and int(asked):
        return int(asked)
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return tf.config.threading.get_intra_op_parallelism_threads() or allowed


def replicas() -> int:
    """Return among how many replicas ``tf.distribute`` divides a batch here: Keras divides losses by their number, and
    optimizers add up what the replicas give.
    """
    import keras

    if keras.backend.backend() != "tensorflow":
        return 1
    import tensorflow as tf

    return tf.distribute.get_strategy().num_replicas_in_sync


def require_finite(value: float, name: str, when: str) -> float:
    """Return the value, if it is a number.

    Raises:
        RunError: it is NaN or infinite; training any further is useless.

    >>> require_finite(0.25, "test_loss", "epoch 3")
    0.25
    """
    if not math.isfinite(value):
        raise RunError(f"{name} became {value} in {when}; a smaller learning_rate may keep it finite.")
    return value


def finite_loss() -> "keras.callbacks.Callback":
    """Make a callback of Keras' ``fit`` that requires the loss of every epoch to be finite."""
    import keras

    return keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: require_finite(logs["loss"], "train_loss", f"epoch {epoch + 1}")
    )

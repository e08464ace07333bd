"""Determinism: one integer decides everything that is random in a run."""

import zlib

import numpy as np

from gradbook.errors import InputError


def set_seed(seed: int) -> None:
    """Seed Python, NumPy and Keras' backend, and let TensorFlow, where it is the backend, choose deterministic kernels.

    Call it before the first operation of a run. With one set of library versions and one number of threads,
    equal seeds then give equal bits on one machine; another processor may round differently.

    Args:
        seed: 0 ≤ seed < 2³².
    """
    import keras

    keras.utils.set_random_seed(seed)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()


def generator(seed: int, *purpose: str) -> np.random.Generator:
    """Make a NumPy generator for one purpose, statistically independent of those for all other seeds and purposes.

    Drawing more numbers for one purpose (say "batches") leaves every other one ("labels", "split") as it was.

    Args:
        seed: 0 ≤ seed < 2³²; beyond, the seed itself would stand for words.
        purpose: words that name what the numbers are for.

    Raises:
        InputError: a seed out of its range.

    >>> bool(generator(0, "batches").random() == generator(0, "batches").random())
    True
    >>> bool(generator(0, "batches").random() == generator(0, "split").random())
    False
    """
    if not 0 <= seed < 2**32:
        raise InputError(f"seed must be from 0 to {2**32 - 1}; received {seed}.")
    return np.random.default_rng([seed, *(zlib.crc32(word.encode()) for word in purpose)])

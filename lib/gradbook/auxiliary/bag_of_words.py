"""A layer on multi-hot rows that never multiplies by most of the zeros.

In IMDB a review has 132 of 10,000 words, and half of those 132 are among the 256 most frequent ones. So the kernel is
held in two parts: the rows of frequent words, multiplied densely, and the rows of the others, gathered and summed.
"""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import tensorflow as tf

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

FREQUENT = 256
"""How many of the first words, which are the most frequent ones in Keras' numbering, are multiplied densely."""


class Bag(NamedTuple):
    """Multi-hot rows [n, words], taken apart.

    Attributes:
        frequent: uint8 [n, `FREQUENT`], or fewer columns where there are fewer words; the first columns of the rows.
        rows, words: int32 [m], where the other columns hold a one, by row; words are counted from the first of them.
        rows_by_word, words_by_word: the same places by word.
    """

    frequent: tf.Tensor
    rows: tf.Tensor
    words: tf.Tensor
    rows_by_word: tf.Tensor
    words_by_word: tf.Tensor


SIGNATURE = Bag(tf.TensorSpec([None, None], tf.uint8), *[tf.TensorSpec([None], tf.int32)] * 4)
"""What a compiled function takes for a bag of any size."""


def bag(rows: "csr_matrix") -> Bag:
    """Take multi-hot rows apart, as `gradbook.data.Reviews.multi_hot` makes them."""
    rest = rows[:, FREQUENT:].tocsr()
    by_word = rest.tocsc()
    return Bag(
        tf.constant(rows[:, :FREQUENT].toarray(), tf.uint8),
        *(tf.constant(places, tf.int32) for places in (_expanded(rest.indptr), rest.indices)),
        *(tf.constant(places, tf.int32) for places in (by_word.indices, _expanded(by_word.indptr))),
    )


def _expanded(offsets: np.ndarray) -> np.ndarray:
    return np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))


@tf.custom_gradient
def product(bag: Bag, frequent: tf.Tensor, rare: tf.Tensor) -> tf.Tensor:
    """Return the multi-hot rows times the kernel whose parts are given.

    Both directions sum gathered rows in one operation: forward the kernel's rows of a review's words, backward the
    incoming gradient's rows of a word's reviews. That is why a bag holds its places twice.

    Args:
        bag: n rows.
        frequent, rare: the kernel's first `FREQUENT` rows and its others, float32 [·, units].

    Returns:
        float32 [n, units].
    """
    dense = tf.cast(bag.frequent, frequent.dtype)
    outputs = dense @ frequent + tf.sparse.segment_sum(rare, bag.words, bag.rows, num_segments=tf.shape(dense)[0])

    def gradient(upstream: tf.Tensor) -> tuple[None, None, None, None, None, tf.Tensor, tf.Tensor]:
        words = tf.shape(rare)[0]
        gathered = tf.sparse.segment_sum(upstream, bag.rows_by_word, bag.words_by_word, num_segments=words)
        return None, None, None, None, None, tf.matmul(dense, upstream, transpose_a=True), gathered

    return outputs, gradient

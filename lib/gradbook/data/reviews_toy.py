"""A generated stand-in for IMDB: reviews of invented words, made in memory in a fraction of a second."""

from pathlib import Path
from typing import Any

import numpy as np

from gradbook.data.dataset import Reviews
from gradbook.data.source import Source

REVIEWS = 2_000  # in each of the two parts
WORDS = 1_996  # so that word numbers stay below 2,000
SHORTEST, MEAN_EXCESS = 20, 60  # words of a review: the shortest, and how many more on average
TILT = 0.5  # the largest log-ratio, either way, of a word's probability to what Zipf's law gives it
NOISE = 0.05  # fraction of the labels that are wrong


def read(_: Path) -> dict[str, Any]:
    """Make 2,000 + 2,000 reviews, numbered as in `gradbook.data.dataset.Reviews`.

    In a positive or negative review the word of rank r has a probability p(r) ∝ exp(±t(r)) / r, with tilts t(r) that
    are drawn once, uniform in [−0.5, 0.5]; lengths are 20 plus an exponential of mean 60; a twentieth of the labels
    is flipped.
    """
    random = np.random.default_rng(0)
    ranks = np.arange(1, WORDS + 1)
    tilt = TILT * (2 * random.random(WORDS) - 1)
    cumulated = [np.cumsum(np.exp(sign * tilt) / ranks) for sign in (-1, 1)]
    content: dict[str, Any] = {"classes": ("negative", "positive")}
    for part in ("train", "test"):
        positive = np.arange(REVIEWS) % 2
        lengths = SHORTEST + (-MEAN_EXCESS * np.log1p(-random.random(REVIEWS))).astype(np.int64)
        reviews = []
        for label, length in zip(positive, lengths, strict=True):
            drawn = np.searchsorted(cumulated[label], random.random(length) * cumulated[label][-1], side="right")
            reviews.append(np.insert(ranks[drawn] + 3, 0, 1))
        content[f"x_{part}"] = Reviews(
            np.concatenate(reviews).astype(np.int32), np.concatenate([[0], np.cumsum(lengths + 1)])
        )
        content[f"y_{part}"] = (positive ^ (random.random(REVIEWS) < NOISE)).astype(np.int32)
    return content


REVIEWS_TOY = Source(
    name="reviews-toy",
    kind="movie reviews",
    summary="4,000 generated reviews of 1,996 invented words, negative or positive, a twentieth of them mislabelled",
    licence="BSD-3-Clause, as the book's code",
    citation="generated for this book; nobody wrote these reviews",
    read=read,
)

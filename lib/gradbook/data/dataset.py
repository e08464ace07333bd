"""What every dataset of the book is: one frozen record, the same for images and for reviews."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from gradbook.errors import InputError

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


@dataclass(frozen=True, eq=False)
class Reviews:
    """Texts of unequal lengths as word numbers, end to end.

    Word numbers follow Keras: 1 starts every review, 2 stands for a word out of the vocabulary, and the word of
    rank r (1 = most frequent) is r + 3. Numbers 0 and 3 do not occur.

    Attributes:
        tokens: int32 [sum of the lengths].
        offsets: int64 [n + 1]; review i is ``tokens[offsets[i]:offsets[i + 1]]``.

    Raises:
        InputError: the offsets do not cut the tokens into whole reviews, or a token is negative.

    >>> reviews = Reviews(np.array([1, 4, 9, 1, 5], np.int32), np.array([0, 3, 5]))
    >>> len(reviews), reviews[0].tolist(), reviews[[1, 0]].tokens.tolist()
    (2, [1, 4, 9], [1, 5, 1, 4, 9])
    """

    tokens: np.ndarray
    offsets: np.ndarray

    def __post_init__(self) -> None:
        ends = self.offsets
        if len(ends) == 0 or ends[0] != 0 or ends[-1] != len(self.tokens) or (np.diff(ends) < 0).any():
            raise InputError(f"offsets must rise from 0 to the number of tokens, {len(self.tokens)}; received {ends}.")
        if len(self.tokens) and self.tokens.min() < 0:
            raise InputError(f"tokens must not be negative; received {self.tokens.min()}.")

    def __repr__(self) -> str:
        return f"Reviews({len(self):,} of them, {len(self.tokens):,} tokens)"

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: int | slice | np.ndarray) -> "np.ndarray | Reviews":
        """Return one review's tokens for a number; for a slice, a mask or an array of numbers, those as Reviews."""
        chosen = np.arange(len(self))[index]
        starts, lengths = self.offsets[chosen], np.diff(self.offsets)[chosen]
        if chosen.ndim == 0:
            return self.tokens[starts : starts + lengths]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        places = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], lengths)
        return Reviews(self.tokens[places], offsets)

    def most_frequent(self, words: int) -> "Reviews":
        """Replace every word number ≥ `words` by 2, as ``load_data(num_words=words)`` of Keras.

        Args:
            words: size of the vocabulary, the four reserved numbers included; words ≥ 4.

        >>> Reviews(np.array([1, 4, 9, 5], np.int32), np.array([0, 4])).most_frequent(words=9).tokens.tolist()
        [1, 4, 2, 5]
        """
        if words < 4:
            raise InputError(f"words must be at least 4, the reserved numbers; received {words}.")
        return Reviews(np.where(self.tokens < words, self.tokens, np.int32(2)), self.offsets)

    def multi_hot(self, words: int = 10_000) -> "csr_matrix":
        """Return one row per review: 1 in the column of every word number that occurs in it, 0 elsewhere.

        Args:
            words: size of the vocabulary as in `most_frequent`; words ≥ 4.

        Returns:
            float32 [n, words], sparse by rows, column indices sorted; ``indices`` and ``indptr`` give the index form.

        >>> Reviews(np.array([1, 4, 9, 4], np.int32), np.array([0, 4])).multi_hot(words=6).toarray()
        array([[0., 1., 1., 0., 1., 0.]], dtype=float32)
        """
        from scipy.sparse import csr_matrix

        tokens = self.most_frequent(words).tokens
        matrix = csr_matrix((np.ones(len(tokens), np.float32), tokens, self.offsets), shape=(len(self), words))
        matrix.sum_duplicates()
        matrix.data[:] = 1
        return matrix


@dataclass(frozen=True, eq=False)
class Dataset:
    """A dataset, ready to train on.

    Attributes:
        name: what it was loaded by.
        x_train, x_test: images as float32 [n, height, width, channels] in [0, 1] (users' own float images: as given),
            or Reviews.
        y_train, y_test: int32 [n], numbers of classes, 0 ≤ y < len(classes).
        classes: names of the classes, by their numbers.
        licence, citation: under which terms the data come, and whom to cite.
        checksum: sha256 (hexadecimal) of the arrays and class names, independent of how they are kept on disk.
        test_is_lossless: bool [n], where some test images are copies with losses; None where none is.
    """

    name: str
    x_train: np.ndarray | Reviews = field(repr=False)
    y_train: np.ndarray = field(repr=False)
    x_test: np.ndarray | Reviews = field(repr=False)
    y_test: np.ndarray = field(repr=False)
    classes: tuple[str, ...]
    licence: str
    citation: str
    checksum: str
    test_is_lossless: np.ndarray | None = field(default=None, repr=False)

    @property
    def identity(self) -> str:
        """The words of a run's record about its data: "name:sha256"."""
        return f"{self.name}:{self.checksum}"

    def require_images(self) -> "Dataset":
        """Return the dataset itself, if it is one of images.

        Raises:
            InputError: it holds reviews.
        """
        if not isinstance(self.x_train, np.ndarray):
            raise InputError(f"dataset {self.name!r} holds no images; this experiment trains on images.")
        return self

    def class_pair(self, given: str | None, *usual: tuple[int, int]) -> tuple[int, int]:
        """Return the numbers of two classes.

        Args:
            given: two classes, each by its name or number, with a slash between them, such as "cat/dog" or "3/8". A
                name may hold slashes itself.
            usual: what None stands for: the first of these pairs that the dataset has.

        Raises:
            InputError: a class that the dataset does not have, or words that mean several pairs.
        """
        if given is None:
            for pair in usual:
                if max(pair) < len(self.classes):
                    return pair
            raise InputError(f"dataset {self.name!r} must have more classes; received {len(self.classes)}.")
        splits = [(given[:place], given[place + 1 :]) for place, mark in enumerate(given) if mark == "/"]
        found = [pair for pair in (tuple(map(self._number, names)) for names in splits) if None not in pair]
        if len(found) > 1:
            numbers = ", ".join(f"{one}/{other}" for one, other in found)
            raise InputError(
                f"{given!r} means several pairs of classes of {self.name}; give one by numbers: {numbers}."
            )
        if found:
            return found[0]
        known = ", ".join(self.classes[:20]) + (", …" if len(self.classes) > 20 else "")
        raise InputError(
            f'two classes of {self.name} must be given as "one/other", by names or by numbers from 0 to '
            f"{len(self.classes) - 1}; received {given!r}. Names: {known}."
        )

    def _number(self, name: str) -> int | None:
        """Return the number of a class by its name, or else by its number in digits."""
        if name in self.classes:
            return self.classes.index(name)
        return int(name) if name.isdecimal() and int(name) < len(self.classes) else None


def scaled(images: np.ndarray) -> np.ndarray:
    """Scale images from grey levels 0–255 (uint8) to float32 in [0, 1], with a last axis for channels."""
    return np.divide(images if images.ndim == 4 else images[..., None], 255, dtype=np.float32)


def split(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Divide data that come without a test set, always alike: a fifth of every class, at least one, to test on.

    Args:
        labels: integers [n].

    Returns:
        Sorted indices of the training and of the test samples; the same for the same labels, always.

    >>> [part.tolist() for part in split(np.array([0, 0, 0, 1, 1]))]
    [[0, 1, 3], [2, 4]]
    """
    shuffled = np.random.default_rng(0).permutation(len(labels))
    by_class = [shuffled[labels[shuffled] == label] for label in np.unique(labels)]
    test = np.sort(np.concatenate([members[: max(1, round(len(members) / 5))] for members in by_class]))
    return np.setdiff1d(np.arange(len(labels)), test), test


def checksum(content: Mapping[str, Any]) -> str:
    """Hash (sha256) name, type, shape and bytes of everything in a dataset's content, in the order of the names."""
    digest = hashlib.sha256()
    for name, value in sorted(content.items()):
        for array in (value.tokens, value.offsets) if isinstance(value, Reviews) else (np.asarray(value),):
            digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
            digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8))
    return digest.hexdigest()


def check(content: Mapping[str, Any]) -> None:
    """Refuse, in one sentence, content that no network could be trained and tested on.

    Raises:
        InputError: an empty set, unequal numbers of samples and labels, values that are not finite, other shapes in
            test than in training, a single class, labels other than 0, 1, … or in the test set only.
    """
    for part in ("train", "test"):
        x, y = content[f"x_{part}"], content[f"y_{part}"]
        if len(x) == 0:
            raise InputError(f"x_{part} must hold at least one sample of every class; received none.")
        if y.shape != (len(x),):
            raise InputError(f"y_{part} must hold one label for each of the {len(x)} samples; received {y.shape}.")
        if isinstance(x, np.ndarray) and not np.isfinite([x.min(), x.max()]).all():
            raise InputError(f"x_{part} must hold finite values; received NaN or infinity as float32.")
    if isinstance(content["x_train"], np.ndarray) and content["x_train"].shape[1:] != content["x_test"].shape[1:]:
        shapes = content["x_train"].shape[1:], content["x_test"].shape[1:]
        raise InputError(f"x_train and x_test must hold images of one shape; received {shapes[0]} and {shapes[1]}.")
    labels, count = np.unique(content["y_train"]), len(content["classes"])
    if len(labels) < 2:
        raise InputError(f"y_train must hold at least two classes; received {labels[0]} only.")
    if not np.array_equal(labels, np.arange(count)):
        wrong = np.setxor1d(labels, np.arange(count))[0]
        what = f"label {wrong}" if wrong in labels else f"no label {wrong}"
        raise InputError(f"y_train must hold labels 0 to {count - 1}, one for each class; received {what}.")
    if len(strange := np.setdiff1d(content["y_test"], labels)):
        raise InputError(f"y_test must hold labels of y_train, 0 to {count - 1}; received {strange[0]}.")

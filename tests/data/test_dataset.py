"""The record, and reviews as word numbers."""

import subprocess
import sys
from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gradbook.data as data
from gradbook.data.dataset import Reviews, check, checksum, split
from gradbook.errors import InputError

texts = st.lists(st.lists(st.integers(0, 30), max_size=8), min_size=1, max_size=10)


def packed(lists: list[list[int]]) -> Reviews:
    return Reviews(np.array([*chain(*lists)], np.int32), np.cumsum([0, *map(len, lists)]))


@given(texts, st.data())
def test_reviews_index_as_lists_do(lists, choice):
    reviews = packed(lists)
    chosen = choice.draw(st.lists(st.integers(-len(lists), len(lists) - 1), max_size=12))
    assert [review.tolist() for review in reviews] == lists
    assert [review.tolist() for review in reviews[np.array(chosen, int)]] == [lists[i] for i in chosen]
    assert [review.tolist() for review in reviews[::-2]] == lists[::-2]
    assert reviews[chosen].tokens.dtype == np.int32 and reviews[chosen].offsets.dtype == np.int64


@given(texts, st.integers(4, 40))
def test_multi_hot_marks_the_words_that_occur(lists, words):
    dense = np.zeros((len(lists), words), np.float32)
    for row, review in zip(dense, lists, strict=True):
        row[[word if word < words else 2 for word in review]] = 1
    sparse = packed(lists).multi_hot(words)
    assert sparse.dtype == np.float32 and sparse.has_canonical_format
    np.testing.assert_array_equal(sparse.toarray(), dense)


@pytest.mark.parametrize(
    ("tokens", "offsets"), [([1, 4], [0, 3]), ([1, 4], [1, 2]), ([1, 4], [0, 2, 1, 2]), ([1], []), ([-1, 4], [0, 2])]
)
def test_reviews_that_do_not_hold_together_are_refused(tokens, offsets):
    with pytest.raises(InputError, match=r"offsets must rise|must not be negative"):
        Reviews(np.array(tokens, np.int32), np.array(offsets, np.int64))


def test_too_small_a_vocabulary_is_refused():
    with pytest.raises(InputError, match="words must be at least 4"):
        packed([[1, 4]]).multi_hot(3)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60).map(np.array))
def test_split_divides_and_takes_a_fifth_of_every_class(labels):
    train, test = split(labels)
    np.testing.assert_array_equal(np.sort(np.concatenate([train, test])), np.arange(len(labels)))
    for label, count in zip(*np.unique(labels, return_counts=True), strict=True):
        assert (labels[test] == label).sum() == max(1, round(count / 5))


def sound() -> dict:
    x, y = np.zeros((4, 2, 2, 1), np.float32), np.array([0, 1, 0, 1], np.int32)
    return {"x_train": x, "y_train": y, "x_test": x[:2], "y_test": y[:2], "classes": ("a", "b")}


def test_checksum_depends_on_every_part_of_the_content():
    sums = {checksum(sound()), checksum(sound() | {"classes": ("a", "c")})}
    for name, value in sound().items():
        if name != "classes":
            changed = value.copy()
            changed.flat[-1] += 1
            sums |= {checksum(sound() | {name: changed}), checksum(sound() | {name: value[:-1]})}
    assert len(sums) == 10
    assert checksum(sound()) == checksum(dict(reversed(sound().items())))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"x_train": np.zeros((0, 2, 2, 1), np.float32)}, "x_train must hold at least one sample"),
        ({"y_test": np.array([0])}, r"y_test must hold one label for each of .*received \(1,\)"),
        ({"x_test": np.full((2, 2, 2, 1), np.nan, np.float32)}, "x_test must hold finite values; received NaN"),
        ({"x_train": np.full((4, 2, 2, 1), -np.inf, np.float32)}, "x_train must hold finite values"),
        ({"x_test": np.zeros((2, 3, 2, 1), np.float32)}, r"one shape; received \(2, 2, 1\) and \(3, 2, 1\)"),
        ({"y_train": np.array([1, 1, 1, 1])}, "at least two classes; received 1 only"),
        ({"y_train": np.array([0, 1, 2, 1])}, "labels 0 to 1, one for each class; received label 2"),
        ({"classes": ("a", "b", "c")}, "labels 0 to 2, one for each class; received no label 2"),
        ({"y_test": np.array([0, 5])}, "y_test must hold labels of y_train, .*received 5"),
    ],
)
def test_content_that_cannot_be_trained_on_is_refused_in_one_sentence(change, sentence):
    check(sound())
    with pytest.raises(InputError, match=sentence) as error:
        check(sound() | change)
    assert "\n" not in str(error.value)


def test_digits_are_scikit_learns():
    digits = data.load("digits")
    assert (digits.x_train.shape, digits.x_test.shape) == ((1438, 8, 8, 1), (359, 8, 8, 1))
    assert digits.x_train.dtype == np.float32 and digits.y_train.dtype == np.int32
    everything = np.concatenate([digits.x_train, digits.x_test])
    assert everything.min() == 0 and everything.max() == 1 and (everything * 16 % 1 == 0).all()
    from sklearn.datasets import load_digits

    assert everything.sum(dtype=np.float64) == load_digits().data.sum() / 16
    assert digits.identity == data.load("digits").identity
    # Results that readers compare with theirs rest on these very samples.
    assert digits.checksum.startswith("273204452e9d")


def test_generated_reviews_are_what_they_say():
    toy = data.load("reviews-toy")
    assert len(toy.x_train) == len(toy.x_test) == 2000 and toy.x_train.tokens.max() < 2000
    assert all(review[0] == 1 and len(review) > 20 and review[1:].min() >= 4 for review in toy.x_train)
    truth = np.arange(2000) % 2
    for labels in (toy.y_train, toy.y_test):
        assert 0.03 < (labels != truth).mean() < 0.07
    counts = np.bincount(toy.x_train.tokens, minlength=2000)[4:]
    assert 0.8 < counts[:10].sum() / counts[10:100].sum() / (np.sum(1 / np.r_[1:11]) / np.sum(1 / np.r_[11:101])) < 1.25
    assert toy.checksum.startswith("be4c30a8c750")


@pytest.mark.parametrize("name", ["mnits", "digit", 5])
def test_unknown_names_are_refused(folder, name):
    with pytest.raises(InputError, match="unknown dataset"):
        data.load(name)


def test_importing_data_brings_in_nothing_heavy():
    heavy = "{'tensorflow', 'sklearn', 'pandas', 'scipy', 'PIL', 'pooch', 'requests', 'tqdm'}"
    code = f"import sys, gradbook.data; print({heavy} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"


def named(*classes: str) -> data.Dataset:
    images, labels = np.zeros((len(classes), 2, 2, 1), np.float32), np.arange(len(classes), dtype=np.int32)
    return data.Dataset("own", images, labels, images, labels, classes, "", "", "")


@given(st.lists(st.text("ab/é", min_size=1, max_size=5), min_size=2, max_size=6, unique=True), st.data())
def test_two_classes_are_found_by_their_names_whatever_these_hold(names, choice):
    pair = tuple(choice.draw(st.integers(0, len(names) - 1)) for _ in range(2))
    given = "/".join(names[number] for number in pair)
    alike = [(i, j) for i, one in enumerate(names) for j, other in enumerate(names) if f"{one}/{other}" == given]
    if len(alike) == 1:
        assert named(*names).class_pair(given) == pair
    else:
        with pytest.raises(InputError, match="means several pairs of classes") as refused:
            named(*names).class_pair(given)
        numbers = str(refused.value).rpartition(": ")[2].rstrip(".").split(", ")
        assert sorted(numbers) == [f"{one}/{other}" for one, other in alike]


def test_words_that_mean_two_pairs_are_refused():
    with pytest.raises(
        InputError, match="'a/b/a' means several pairs of classes of own; give one by numbers: 0/1, 2/0"
    ):
        named("a", "b/a", "a/b").class_pair("a/b/a")


def test_two_classes_are_found_by_number_and_none_is_the_first_usual_pair_that_is_there():
    few = named("a/b", "7", "c")
    assert few.class_pair("2/0") == few.class_pair("c/a/b") == (2, 0)
    assert few.class_pair("7/1") == (1, 1), "a name goes before a number"
    assert few.class_pair(None, (3, 4), (1, 2), (0, 1)) == (1, 2)
    with pytest.raises(InputError, match="'own' must have more classes; received 3"):
        few.class_pair(None, (3, 4))
    with pytest.raises(InputError, match="given as \"one/other\", by names or by numbers from 0 to 2; received 'a/d'"):
        few.class_pair("a/d")

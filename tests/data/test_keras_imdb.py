"""IMDB as Keras gives it, read from one file by both."""

import numpy as np
import pytest
from data_fakes import files

import gradbook.data as data


@pytest.mark.parametrize("words", [4, 10, 42])
def test_reviews_are_those_of_keras(published, tmp_path, monkeypatch, words):
    from keras.src.datasets import imdb

    path = tmp_path / "imdb.npz"
    path.write_bytes(files()["imdb"]["imdb.npz"])
    monkeypatch.setattr(imdb, "get_file", lambda *_, **__: path)
    (x_train, y_train), (x_test, y_test) = imdb.load_data(num_words=words)

    published("imdb")
    ours = data.load("imdb")
    for reviews, theirs in ((ours.x_train, x_train), (ours.x_test, x_test)):
        assert [review.tolist() for review in reviews.most_frequent(words)] == [list(review) for review in theirs]
    np.testing.assert_array_equal(ours.y_train, y_train)
    np.testing.assert_array_equal(ours.y_test, y_test)

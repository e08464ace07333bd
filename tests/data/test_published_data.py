"""What is published about the real datasets, held against the copies in the data folder, where there are any."""

import numpy as np
import pytest

import gradbook.data as data


@pytest.fixture
def real(request):
    """The real dataset; a test without its files says so."""
    entry = {entry.name: entry for entry in data.describe()}[request.param]
    if not entry.present:
        pytest.skip(f"no {entry.name} in {entry.where}; `gradbook data fetch {entry.name}` brings it")
    return data.load(request.param)


@pytest.mark.parametrize("real", ["mnist"], indirect=True)
def test_mnist(real):
    assert real.x_train.shape == (60_000, 28, 28, 1) and real.x_test.shape == (10_000, 28, 28, 1)
    assert real.x_train.mean(dtype=np.float64) == pytest.approx(0.1307, abs=5e-5)
    assert real.x_train.std(dtype=np.float64) == pytest.approx(0.3081, abs=5e-5)
    assert real.y_train[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert np.bincount(real.y_test).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


@pytest.mark.parametrize("real", ["imdb"], indirect=True)
def test_imdb(real):
    assert np.bincount(real.y_train).tolist() == np.bincount(real.y_test).tolist() == [12_500, 12_500]
    lengths = {part: np.diff(getattr(real, f"x_{part}").offsets) for part in ("train", "test")}
    assert lengths["train"][:10].tolist() == [218, 189, 141, 550, 147, 43, 123, 562, 233, 130]
    assert lengths["train"].mean() == pytest.approx(238.71364, abs=1e-5)
    assert lengths["test"].mean() == pytest.approx(230.8042, abs=1e-5)
    assert real.y_train[:10].tolist() == [1, 0, 0, 1, 0, 0, 1, 0, 1, 0]
    assert real.x_train.tokens.max() == 88_584 + 3
    rows = real.x_train.multi_hot(10_000)
    assert rows.shape == (25_000, 10_000) and rows.data.nbytes + rows.indices.nbytes < 30e6


@pytest.mark.parametrize("real", ["cifar10"], indirect=True)
def test_cifar10(real):
    assert real.x_train.shape == (50_000, 32, 32, 3) and real.x_test.shape == (10_000, 32, 32, 3)
    assert np.bincount(real.y_train).tolist() == [5_000] * 10 and np.bincount(real.y_test).tolist() == [1_000] * 10
    np.testing.assert_allclose(real.x_train.mean((0, 1, 2), np.float64), [0.4914, 0.4822, 0.4465], atol=5e-5)
    if real.test_is_lossless is not None:
        assert real.test_is_lossless.shape == (10_000,) and real.test_is_lossless[:1_000].all()


@pytest.mark.parametrize("real", ["tiny-imagenet"], indirect=True)
def test_tiny_imagenet(real):
    assert {"tabby", "Egyptian cat", "Labrador retriever", "golden retriever", "school bus"} < set(real.classes)
    counts = [np.bincount(labels).tolist() for labels in (real.y_train, real.y_test)]
    assert counts == [[500] * len(real.classes), [50] * len(real.classes)] and len(real.classes) in (20, 200)
    assert real.x_train.shape[1:] == (64, 64, 3)

"""Starting from a trained kernel."""

import sys

import keras
import numpy as np
import pytest

from gradbook.errors import InputError
from gradbook.lowrank.convs import CanonicalPolyadic, TensorTrain, Tucker
from gradbook.lowrank.decompose import separate, start_from, tensor_train

FAMILIES = pytest.mark.parametrize("family", [Tucker, TensorTrain, CanonicalPolyadic])


def built(family, kernel_size=1, **options):
    keras.utils.set_random_seed(0)  # alternating least squares finds not every random kernel again
    layer = family(24, kernel_size, rank=0.6, **options)
    layer.build((None, 8, 8, 16))
    return layer


@FAMILIES
def test_what_a_layer_can_say_is_found(family):
    pytest.importorskip("tensorly", reason="needs TensorLy: install gradbook[lowrank]")
    target = np.asarray(built(family).dense_kernel())
    assert start_from(built(family), target) < 1e-4


def test_a_train_is_as_near_where_a_rank_exceeds_what_is_left():
    random, ranks = np.random.default_rng(0), [6, 8, 1]
    shapes = [(1, 12, 6), (6, 16, 8), (8, 16, 1), (1, 2, 1)]
    train = np.einsum("aib,bjc,ckd,dle->ijkl", *(random.normal(size=shape) for shape in shapes))
    noisy = train + 0.01 * np.std(train) * random.normal(size=train.shape)
    found = np.einsum("aib,bjc,ckd,dle->ijkl", *tensor_train(noisy, ranks))
    assert np.linalg.norm(found - noisy) < 1.05 * np.linalg.norm(train - noisy)


def test_a_core_that_is_a_train_says_what_a_full_one_does():
    pytest.importorskip("tensorly", reason="needs TensorLy: install gradbook[lowrank]")
    target = np.asarray(built(Tucker).dense_kernel())
    assert start_from(built(Tucker, core="train"), target) < 1e-4


@FAMILIES
def test_more_rank_comes_nearer(family):
    pytest.importorskip("tensorly", reason="needs TensorLy: install gradbook[lowrank]")
    kernel = np.random.default_rng(0).standard_normal((3, 3, 16, 24))
    errors = []
    for rank in (0.2, 0.6, 1.0):
        layer = family(24, 3, rank=rank)
        layer.build((None, 8, 8, 16))
        errors.append(start_from(layer, kernel))
    assert 1 > errors[0] > errors[1] > errors[2] > 0


def test_a_separable_kernel_is_separated():
    random = np.random.default_rng(0)
    filters, matrix = random.standard_normal((3, 3, 16, 1)), random.standard_normal((16, 24))
    found = separate(filters * matrix)
    np.testing.assert_allclose(found[0] * found[1], filters * matrix, atol=1e-12)


def test_thin_decompositions_give_what_full_ones_gave():
    kernel = np.random.default_rng(0).standard_normal((3, 3, 16, 24))
    left, values, right = np.linalg.svd(kernel.transpose(2, 0, 1, 3).reshape(16, 9, 24))
    found = separate(kernel)
    np.testing.assert_allclose(found[0], left[:, :, 0].T.reshape(3, 3, 16, 1), atol=1e-12)
    np.testing.assert_allclose(found[1], values[:, :1] * right[:, 0], atol=1e-12)


def test_a_wide_kernel_is_separated_without_matrices_of_its_width():
    kernel = np.ones((1, 1, 64, 100_000), np.float32)  # full matrices would have 2.5 TB
    filters, matrix = separate(kernel)
    np.testing.assert_allclose(filters[0, 0, :, 0, None] * matrix, kernel[0, 0], rtol=1e-4)


def test_kernels_of_another_shape_are_refused():
    with pytest.raises(InputError, match=r"kernel must have shape \(1, 1, 16, 24\); received \(3, 3, 16, 24\)"):
        start_from(built(Tucker), np.zeros((3, 3, 16, 24)))


def test_where_tensorly_is_missing_the_sentence_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorly", None)
    with pytest.raises(InputError, match=r"needs TensorLy; install gradbook\[lowrank\]"):
        start_from(built(CanonicalPolyadic), np.zeros((1, 1, 16, 24)))


def test_terms_of_a_canonical_decomposition_do_not_cancel():
    layer = CanonicalPolyadic(24, 1, rank=10.0)
    layer.build((None, 8, 8, 16))
    kernel = np.random.default_rng(0).normal(size=(1, 1, 16, 24))
    assert start_from(layer, kernel) < 0.01
    factors = [keras.ops.convert_to_numpy(factor) for factor in layer.factor.values()]
    assert max(np.abs(factor).max() for factor in factors) < np.linalg.norm(kernel)

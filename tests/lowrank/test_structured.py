"""Structured matrices: what they are exactly, what they come nearest to, how they start, learn and decay."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import hadamard

from gradbook.errors import InputError
from gradbook.lowrank import convs, decompose
from gradbook.lowrank.convs import FAMILIES, substitute
from gradbook.lowrank.convs.butterfly import bit_reversal, fourier, multiply
from gradbook.lowrank.distill import Learner

numbers = keras.ops.convert_to_numpy
sizes = st.integers(1, 5).map(lambda power: 2**power)
seeds = st.integers(0, 2**31)


def normal(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape)


def built(make, channels, filters=None, kernel_size=1, seed=0):
    keras.utils.set_random_seed(seed)
    layer = make(filters or channels, kernel_size, use_bias=False)
    layer.build((None, 4, 4, channels))
    return layer


def product(first, second):
    """The matrix of a grid of blocks, from its factors, by a loop over blocks."""
    rows, inside, _ = first.shape
    columns, joined, outside = second.shape
    rank = joined // rows
    matrix = np.zeros((rows, inside, outside, columns), np.result_type(first, second))
    for k in range(rows):
        for j in range(columns):
            left, right = first[k, :, j * rank : (j + 1) * rank], second[j, k * rank : (k + 1) * rank]
            matrix[k, :, :, j] = left @ right
    return matrix.reshape(rows * inside, outside * columns)


@given(size=sizes, seed=seeds)
def test_the_fourier_transform_is_a_butterfly_of_inputs_in_bit_reversed_order(size, seed):
    x = normal(seed, 3, size) + 1j * normal(seed + 1, 3, size)
    np.testing.assert_allclose(multiply(x[:, bit_reversal(size)], fourier(size)), np.fft.fft(x), atol=1e-12)


@given(size=sizes, seed=seeds, kind=st.sampled_from(["butterfly", "fourier", "hadamard"]))
def test_a_matrix_that_is_a_butterfly_is_found_again(size, seed, kind):
    levels = size.bit_length() - 1
    matrix = {
        "butterfly": lambda: numbers(multiply(np.eye(size), normal(seed, levels, 2, 2, size // 2))),
        "fourier": lambda: np.fft.fft(np.eye(size))[bit_reversal(size)],
        "hadamard": lambda: hadamard(size).astype(float),
    }[kind]()
    twiddles = decompose.butterfly(matrix)
    assert twiddles.shape == (levels, 2, 2, size // 2)
    np.testing.assert_allclose(multiply(np.eye(size, dtype=matrix.dtype), twiddles), matrix, atol=1e-9)


@pytest.mark.parametrize("blocks", [1, 2, 3])
def test_butterflies_start_as_rotations_times_a_number(blocks):
    matrix = numbers(built(substitute("butterfly", blocks), 16).matrix())
    np.testing.assert_allclose(matrix @ matrix.T, convs.GAIN * np.eye(16), atol=1e-4)


@pytest.mark.parametrize("size", [0, 1, 6, -4])
def test_sizes_that_are_no_powers_of_two_are_refused(size):
    with pytest.raises(InputError, match=f"size must be a power of two, 2 or more; received {size}"):
        fourier(size)


@pytest.mark.parametrize("m", [2, 3, 4])
def test_monarch_is_two_block_diagonal_matrices_and_a_permutation_between_them(m):
    layer, n = built(substitute("monarch", m), m * m), m * m
    assert isinstance(layer, convs.Monarch)
    first, second = (numbers(layer.factor[name]) for name in ("first", "second"))
    right, left, swap = np.zeros((n, n)), np.zeros((n, n)), np.zeros((n, n))
    for block in range(m):
        right[block * m : (block + 1) * m, block * m : (block + 1) * m] = first[block].T
        left[block * m : (block + 1) * m, block * m : (block + 1) * m] = second[block].T
    swap[np.arange(n), np.arange(n).reshape(m, m).T.ravel()] = 1
    np.testing.assert_allclose(numbers(layer.matrix()).T, swap @ left @ swap.T @ right, atol=1e-6)


@given(m=st.integers(2, 5), seed=seeds)
def test_the_fourier_transform_is_monarch_after_a_permutation_of_columns_and_not_before(m, seed):
    n = m * m
    transform = np.fft.fft(np.eye(n))
    moved = transform[:, np.arange(n).reshape(m, m).T.ravel()]
    errors = [np.linalg.norm(product(*decompose.blockwise(one.T, m, m, 1)) - one.T) for one in (transform, moved)]
    assert errors[1] < 1e-9 < 0.5 * n < errors[0]


grids = st.tuples(*[st.integers(1, 3)] * 4, st.integers(1, 2))


@settings(deadline=None)
@given(grid=grids, seed=seeds)
def test_the_nearest_blocks_leave_out_the_last_singular_values_and_no_others_are_nearer(grid, seed):
    rows, columns, inside, outside, rank = grid
    inside, outside = max(inside, rank), max(outside, rank)
    matrix = normal(seed, rows * inside, outside * columns)
    found = decompose.blockwise(matrix, rows, columns, rank)
    error = np.linalg.norm(product(*found) - matrix) ** 2
    blocks = matrix.reshape(rows, inside, outside, columns).transpose(0, 3, 1, 2)
    left_out = np.linalg.svd(blocks, compute_uv=False)[..., rank:]
    assert error == pytest.approx(np.square(left_out).sum(), abs=1e-9)
    for step in (1e-3, 0.1, 1.0):
        others = [factor + step * normal(seed + 1, *factor.shape) for factor in found]
        assert np.linalg.norm(product(*others) - matrix) ** 2 >= error - 1e-9


@pytest.mark.parametrize("name", ["monarch", "block_tensor_train"])
@pytest.mark.parametrize(("channels", "filters"), [(12, 12), (16, 24), (24, 16), (7, 10)])
def test_a_layer_s_factors_are_those_of_the_loop_over_blocks(name, channels, filters):
    layer = built(substitute(name, 2), channels, filters)
    first, second = (numbers(layer.factor[part]) for part in ("first", "second"))
    np.testing.assert_allclose(numbers(layer.matrix()), product(first, second), atol=1e-5)


def test_at_rank_1_the_block_tensor_train_is_monarch_and_at_full_rank_it_is_anything():
    train, monarch = (built(substitute(*one), 64) for one in (("block_tensor_train", 1), ("monarch", 8)))
    assert train.grid(64) == monarch.grid(64) == (8, 8, 1)
    matrix = normal(0, 1, 1, 16, 16)
    errors = [decompose.start_from(built(substitute("block_tensor_train", rank), 16), matrix) for rank in range(1, 5)]
    assert 1 > errors[0] > errors[1] > errors[2] > errors[3] and errors[3] < 1e-6


def test_one_block_is_low_rank():
    matrix = normal(0, 12, 9)
    left, right = decompose.blockwise(matrix, 1, 1, 3)
    np.testing.assert_allclose(left[0] @ right[0], np.matmul(*decompose.product(matrix, 3)), atol=1e-9)


def test_learning_rates_are_those_of_a_chain_and_1_elsewhere():
    train = built(substitute("block_tensor_train", 1), 1024)
    assert train.learning_rates() == {"first": 16, "second": 16}
    assert built(substitute("low_rank", 0.25), 64).learning_rates() == {"contract": 0.5, "expand": 2}
    assert set(built(substitute("tucker", 0.5), 64).learning_rates().values()) == {1}
    assert built(substitute("plain"), 64).learning_rates() == {"kernel": 1}


def gradients_of(layer, readout):
    with tf.GradientTape() as tape:
        value = keras.ops.sum(readout * layer.dense_kernel())
    names = [name for name in layer.factor if layer.factor[name].trainable]
    return dict(zip(names, tape.gradient(value, [layer.factor[name].value for name in names]), strict=True))


@pytest.mark.parametrize("kernel_size", [1, 3])
def test_lora_starts_at_its_base_moves_b_first_and_by_a_low_rank(kernel_size):
    layer = built(substitute("lora", 2, alpha=6), 5, 7, kernel_size)
    base, down = (numbers(layer.factor[name]) for name in ("base", "down"))
    np.testing.assert_array_equal(numbers(layer.dense_kernel()), base)
    readout = normal(0, *base.shape).astype("float32")
    found = gradients_of(layer, readout)
    assert not numbers(found["down"]).any()
    np.testing.assert_allclose(found["up"], 3 * down.T @ readout.reshape(-1, 7), atol=1e-4)  # α/r = 3
    layer.factor["up"].assign(normal(1, 2, 7))
    assert np.linalg.matrix_rank((numbers(layer.dense_kernel()) - base).reshape(-1, 7), tol=1e-4) == 2


@pytest.mark.parametrize("kernel_size", [1, 3])
def test_dora_keeps_norms_apart_from_directions(kernel_size):
    layer = built(substitute("dora", 2), 5, 7, kernel_size)
    np.testing.assert_allclose(layer.dense_kernel(), layer.factor["base"], atol=1e-6)
    layer.factor["magnitude"].assign(np.arange(1.0, 8))
    layer.factor["up"].assign(normal(1, 2, 7))
    np.testing.assert_allclose(
        np.linalg.norm(numbers(layer.dense_kernel()).reshape(-1, 7), axis=0), range(1, 8), rtol=1e-5
    )
    base = layer.factor["base"].value
    with tf.GradientTape() as tape:
        tape.watch(base)
        with keras.StatelessScope(state_mapping=[(layer.factor["base"], base)]):
            value = keras.ops.sum(normal(2, *base.shape).astype("float32") * layer.dense_kernel())
            moved = convs.LoRA.dense_kernel(layer)
    along = np.sum(numbers(tape.gradient(value, base)) * numbers(moved), axis=(0, 1, 2))
    np.testing.assert_allclose(along, 0, atol=1e-4)  # the gradient is orthogonal to every direction


@given(rows=st.integers(1, 8), columns=st.integers(1, 8), rank=st.integers(1, 10), seed=seeds)
def test_balanced_factors_are_the_nearest_and_the_smallest(rows, columns, rank, seed):
    matrix = normal(seed, rows, columns)
    left, right = decompose.balanced(matrix, rank)
    np.testing.assert_allclose(left.T @ left, right @ right.T, atol=1e-9)
    np.testing.assert_allclose(left @ right, np.matmul(*decompose.product(matrix, min(rank, rows, columns))), atol=1e-7)
    nuclear = np.linalg.svd(left @ right, compute_uv=False).sum()
    assert nuclear == pytest.approx((np.square(left).sum() + np.square(right).sum()) / 2)
    turn = np.eye(rank) + 0.1 * normal(seed, rank, rank)
    other = left @ turn, np.linalg.pinv(turn) @ right
    assert nuclear <= (np.square(other[0]).sum() + np.square(other[1]).sum()) / 2 + 1e-6


def test_a_spectral_start_is_the_random_matrix_cut_short_and_smaller_at_the_top_than_random_factors():
    layer = built(substitute("low_rank", 26 / 256), 256)
    tops = [np.linalg.norm(numbers(layer.matrix()), 2)]
    decompose.spectral_start(layer)
    contract, expand = (numbers(layer.factor[name]) for name in ("contract", "expand"))
    np.testing.assert_allclose(contract.T @ contract, expand @ expand.T, atol=1e-4)
    tops.append(np.linalg.norm(contract @ expand, 2))
    assert tops[1] == pytest.approx(2 * np.sqrt(2), rel=0.05)  # of a square matrix of variance 2/n, as n grows
    assert tops[0] > 1.5 * tops[1]
    with pytest.raises(InputError, match="layer must be low rank and not tied; received LowRank"):
        decompose.spectral_start(built(substitute("tied_low_rank", 0.25), 16))


@pytest.mark.parametrize("kernel_size", [1, 3])
@pytest.mark.parametrize("name", [name for name in FAMILIES if name not in ("bottleneck", "plain")])
def test_frobenius_decay_is_the_norm_of_the_kernel(name, kernel_size):
    layer = built(FAMILIES[name](FAMILIES[name].example), 16, 32, kernel_size)
    assert float(layer.squared_norm()) == pytest.approx(np.square(numbers(layer.dense_kernel())).sum(), rel=1e-4)


def test_the_gradient_of_frobenius_decay_is_its_formula():
    layer = built(substitute("low_rank", 0.25), 16, 12)
    with tf.GradientTape() as tape:
        value = 0.5 * layer.squared_norm()
    u, v = (numbers(layer.factor[name]) for name in ("contract", "expand"))
    found = tape.gradient(value, [layer.factor[name].value for name in ("contract", "expand")])
    np.testing.assert_allclose(found[0], u @ v @ v.T, atol=1e-4)
    np.testing.assert_allclose(found[1], u.T @ u @ v, atol=1e-4)


def test_a_learner_s_frobenius_decay_is_on_kernels_and_its_other_decay_as_before(tiny, examples):
    losses = {}
    for name, options in {"none": {"weight_decay": 0.0}, "full": {}, "frobenius": {"frobenius": True}}.items():
        learner = Learner(tiny(), **{"weight_decay": 0.1, **options})
        images, labels = examples
        losses[name] = float(learner.compute_loss(images, labels, learner(images)))
    (layer,) = (one for one in tiny().layers if isinstance(one, convs.LowRank))
    shared = sum(np.square(numbers(one)).sum() for one in layer.shared_weights)
    difference = 0.05 * (float(layer.squared_norm()) - shared)
    assert losses["frobenius"] - losses["full"] == pytest.approx(difference, abs=1e-4)
    assert losses["none"] < losses["frobenius"]

"""Starting weights for Tucker, tensor-train and CP layers from a dense kernel that was trained."""

import numpy as np
from keras import ops

from gradbook.errors import InputError
from gradbook.lowrank.convs.factorised import Tensorised, TensorTrain, Tucker


def start_from(layer: Tensorised, kernel: np.ndarray) -> float:
    """Give a built layer weights near those of a dense kernel.

    First each input channel's filters are replaced by one k×k filter times a row of the matrix (the best of rank one,
    by singular value decomposition), then the matrix, read as a tensor, is factorised by TensorLy.

    Args:
        layer: Tucker, TensorTrain or CanonicalPolyadic, built.
        kernel: float [k, k, c_in, c_out].

    Returns:
        ‖layer's kernel − kernel‖ / ‖kernel‖ in the Frobenius norm.

    Raises:
        InputError: a kernel of another shape than the layer's, or TensorLy is not installed.
    """
    k, channels = layer.kernel_size, layer.channels
    if kernel.shape != (k, k, channels, layer.filters):
        raise InputError(f"kernel must have shape {(k, k, channels, layer.filters)}; received {kernel.shape}.")
    if k > 1:
        depthwise, matrix = separate(kernel)
        layer.factor["depthwise"].assign(depthwise)
    else:
        matrix = kernel[0, 0]
    for place, factor in enumerate(factorise(layer, matrix)):
        layer.factor[f"factor_{place}"].assign(factor)
    reached = ops.convert_to_numpy(layer.dense_kernel())
    return float(np.linalg.norm(reached - kernel) / np.linalg.norm(kernel))


def separate(kernel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the nearest separable kernel: filters [k, k, c_in, 1] of norm 1 and a matrix [c_in, c_out]."""
    k, _, channels, filters = kernel.shape
    each = kernel.transpose(2, 0, 1, 3).reshape(channels, k * k, filters)
    left, values, right = np.linalg.svd(each, full_matrices=False)
    depthwise = left[:, :, 0].T.reshape(k, k, channels, 1)
    return depthwise, values[:, :1] * right[:, 0]


def factorise(layer: Tensorised, matrix: np.ndarray) -> list[np.ndarray]:
    """Return a matrix [c_in, c_out] as the layer's factors."""
    try:
        import tensorly
        from tensorly import decomposition
    except ImportError as missing:
        raise InputError("starting from dense kernels needs TensorLy; install gradbook[lowrank].") from missing
    tensorly.set_backend("numpy")  # the TensorFlow backend would change how NumPy behaves everywhere
    tensor = np.asarray(matrix, np.float64).reshape(layer.sizes(layer.channels))
    ranks = layer.ranks(layer.channels)
    if isinstance(layer, Tucker):
        core, factors = decomposition.tucker(tensor, ranks)
        cores = [core] if layer.core == "full" else decomposition.tensor_train(core, layer.bonds(layer.channels))
        return [*map(_grown, cores, layer.core_shapes(layer.channels)), *factors]
    if isinstance(layer, TensorTrain):
        return list(decomposition.tensor_train(tensor, [1, *ranks, 1]))
    weights, factors = decomposition.parafac(tensor, ranks[0], init="svd", random_state=0)
    return [factors[0] * weights, *factors[1:]]


def _grown(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return an array with zeros behind it, up to a shape; TensorLy leaves out ranks that a core cannot have."""
    return np.pad(array, [(0, most - size) for size, most in zip(array.shape, shape, strict=True)])

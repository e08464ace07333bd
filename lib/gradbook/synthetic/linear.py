"""What can be said exactly: predictors for linear networks with a squared loss (Czarnecki et al. 2017)."""

import keras
import numpy as np

from gradbook.optimizers import GradientDescent
from gradbook.synthetic.chain import Chain, Interface, cut, squared_error
from gradbook.synthetic.predictors import Critic, SyntheticGradient


def exact_predictor(readout: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the predictor that is never wrong about ½‖hW - y‖²: dL/dh = h A + y B with A = WWᵀ and B = -Wᵀ.

    Args:
        readout: W [units, outputs].

    Returns:
        A [units, units] and B [outputs, units].

    >>> exact_predictor(np.array([[1.0], [2.0]]))[1]
    array([[-1., -2.]])
    """
    return readout @ readout.T, -readout.T


def exact_critic(readout: np.ndarray) -> np.ndarray:
    """Return the form M = [W; -I] with which a `Critic` gives the loss itself: ½‖[h, y] M‖² = ½‖hW - y‖².

    >>> exact_critic(np.array([[1.0], [2.0]])).T
    array([[ 1.,  2., -1.]])
    """
    return np.concatenate([readout, -np.eye(readout.shape[1])])


def deep_linear(widths: list[int], *, critic: bool = False) -> Chain:
    """Return a linear network x W₁ W₂ … without biases, cut after every layer but the last, to descend ½‖z - y‖².

    Args:
        widths: of the input, of the layers and of the output; at least three.
        critic: predict gradients as derivatives of a modelled loss; linearly otherwise.
    """
    layers = [keras.layers.Dense(width, use_bias=False, name=f"linear_{k}") for k, width in enumerate(widths[1:], 1)]
    model = keras.Sequential([keras.Input([widths[0]]), *layers])
    interfaces = [Interface(layer.name, Critic(widths[-1]) if critic else SyntheticGradient()) for layer in layers[:-1]]
    return cut(model, interfaces, loss=squared_error, context=widths[-1], optimizer=GradientDescent())


def least_squares(x: np.ndarray, y: np.ndarray) -> float:
    """Return the loss that no linear network without biases can go below: min over W of ½‖xW - y‖², summed over n.

    Args:
        x, y: [n, …].
    """
    best = np.linalg.lstsq(x, y, rcond=None)[0]
    return float(np.sum((x @ best - y) ** 2) / 2)


def teacher(samples: int, widths: list[int], *, noise: float, random: np.random.Generator) -> list[np.ndarray]:
    """Return standard normal inputs, and the targets that a random linear map with some noise gives them, both float32.

    Args:
        samples: n.
        widths: of the input first and of the output last.
        noise: standard deviation of what is added to the targets.
        random: where the numbers come from.
    """
    x = random.standard_normal([samples, widths[0]])
    y = x @ random.standard_normal([widths[0], widths[-1]]) / np.sqrt(widths[0])
    return [x.astype("float32"), (y + noise * random.standard_normal(y.shape)).astype("float32")]

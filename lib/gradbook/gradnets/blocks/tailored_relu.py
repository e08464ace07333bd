"""Tailored activations: a leaky ReLU whose slope is chosen for the depth, so that no skip and no gate is needed."""

from collections.abc import Callable

import numpy as np
from scipy.optimize import brentq

from gradbook import ops
from gradbook.errors import InputError
from gradbook.gradnets.blocks.block import Block, Tensor, always, start
from gradbook.gradnets.initializers import orthogonal

Map = Callable[[float], float]


def tailored(blocks: int, eta: float = 0.9) -> Block:
    """Return layers φ(x W + b) with orthogonal W and φ(u) = √(2/(1+a²)) max(u, a u), a of `tailored_slope`.

    For wide layers the squared norm of signals and of gradients is kept at any slope, and inputs at a right angle have
    a cosine of η behind the last layer.

    Source: Zhang, Botev and Martens 2022, arXiv 2203.08120.
    """
    slope = tailored_slope(lambda c, f: _iterated(f, blocks, c), eta)
    gain = tailored_gain(slope)

    def function(x: Tensor, gate: Tensor, w: Tensor, b: Tensor) -> Tensor:
        u = x @ w + b
        return gain * ops.maximum(u, slope * u)

    return Block(function, start(orthogonal, blocks), always(1, blocks))


def tailored_gain(slope: float) -> float:
    """Return √(2/(1+a²)), with which a leaky ReLU of slope a keeps the second moment of a normal variable."""
    return float(np.sqrt(2 / (1 + slope**2)))


def cosine_map(c: float, slope: float) -> float:
    """Return the cosine behind one wide layer with the leaky ReLU of slope a, of inputs whose cosine is c.

    C(c) = c + (1-a)² (√(1-c²) - c arccos c)/(π (1+a²)); C(1) = C'(1) = 1 for every slope, and a = 1 changes nothing.

    Args:
        c: in [-1, 1].
        slope: a in [0, 1].

    >>> round(cosine_map(0.0, 0.0), 4), cosine_map(0.3, 1.0)
    (0.3183, 0.3)
    """
    added = np.sqrt(1 - c**2) - c * np.arccos(c)
    return float(np.clip(c + (1 - slope) ** 2 * added / (np.pi * (1 + slope**2)), -1, 1))


def tailored_slope(network: Callable[[float, Map], float], eta: float = 0.9) -> float:
    """Return the slope at which inputs at a right angle leave a network with the cosine η, 0 if ReLUs do not reach it.

    Args:
        network: from a cosine and the map of one layer to the cosine behind the network, or, where it has several
            branches, behind that of its subnetworks which has the largest.
        eta: η in (0, 1).

    Raises:
        InputError: an η that is no such cosine.

    >>> round(tailored_slope(lambda c, f: _iterated(f, 50, c)), 4)
    0.4305
    """

    def excess(slope: float) -> float:
        return network(0.0, lambda c: cosine_map(c, slope)) - eta

    if not 0 < eta < 1:
        raise InputError(f"eta must be in (0, 1); received {eta}.")
    return float(brentq(excess, 0.0, 1.0, xtol=1e-14)) if excess(0.0) > 0 else 0.0


def _iterated(f: Map, times: int, c: float) -> float:
    for _ in range(times):
        c = f(c)
    return c

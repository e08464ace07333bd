"""The layers of chapter 30: plain ones, and two whose gate an annealing schedule opens."""

from collections.abc import Callable

import numpy as np
from scipy import stats

from gradbook import ops
from gradbook.gradnets.blocks.block import Block, Tensor, always, he, orthogonal
from gradbook.gradnets.gates import Linear, Schedule

SCHEDULE = Linear(0, 0.5)


def plain(blocks: int) -> Block:
    """Return layers relu(x W + b) whose weights start with variance 2/width; no gate."""

    def function(x: Tensor, gate: Tensor, w: Tensor, b: Tensor) -> Tensor:
        return ops.relu(x @ w + b)

    return Block(function, lambda width, draw: [he(blocks, width, draw), np.zeros((blocks, width))], always(1, blocks))


def gradnet(blocks: int, schedule: Schedule = SCHEDULE) -> Block:
    """Return layers (1-g) x + g relu(x W + b) from the published weights: the identity, until the schedule opens g.

    Source: Almeida and Sauder 2015, arXiv 1511.06827, as in its published notebook.
    """

    def function(x: Tensor, gate: Tensor, w: Tensor, b: Tensor) -> Tensor:
        return gate * ops.relu(x @ w + b) + (1 - gate) * x

    def initial(width: int, draw: np.random.Generator) -> list[np.ndarray]:
        matrices = stats.truncnorm.rvs(-2, 2, scale=0.1, size=(blocks, width, width), random_state=draw)
        return [matrices, np.zeros((blocks, width))]

    return Block(function, initial, opened(schedule, blocks))


def grelu(blocks: int, schedule: Schedule = SCHEDULE) -> Block:
    """Return layers (1-g) u + g relu(u), u = x W + b, with orthogonal W: at g = 0 a chain of rotations."""

    def function(x: Tensor, gate: Tensor, w: Tensor, b: Tensor) -> Tensor:
        u = x @ w + b
        return gate * ops.relu(u) + (1 - gate) * u

    def initial(width: int, draw: np.random.Generator) -> list[np.ndarray]:
        return [orthogonal(blocks, width, draw), np.zeros((blocks, width))]

    return Block(function, initial, opened(schedule, blocks))


def opened(schedule: Schedule, blocks: int) -> Callable[..., Tensor]:
    """Return gates that all follow one schedule."""
    return lambda progress, coins=None: ops.full([blocks], 1.0, dtype="float32") * schedule(progress)

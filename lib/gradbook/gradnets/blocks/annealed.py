"""The layers of GradNets: plain ones, and two whose gate an annealing schedule opens."""

from collections.abc import Callable

from gradbook import ops
from gradbook.gradnets.blocks.block import Block, Tensor, always, start
from gradbook.gradnets.gates import Linear, Schedule
from gradbook.gradnets.initializers import he, orthogonal, truncated_normal

SCHEDULE = Linear(0, 0.5)


def plain(blocks: int) -> Block:
    """Return layers relu(x W + b) whose weights start with variance 2/width; no gate."""

    def function(x: Tensor, gate: Tensor, w: Tensor, b: Tensor) -> Tensor:
        return ops.relu(x @ w + b)

    return Block(function, start(he, blocks), always(1, blocks))


def gradnet(blocks: int, schedule: Schedule = SCHEDULE) -> Block:
    """Return layers (1-g) x + g relu(x W + b) from the published weights: the identity, until the schedule opens g.

    Source: Almeida and Sauder 2015, arXiv 1511.06827, as in its published notebook.
    """

    def function(x: Tensor, gate: Tensor, w: Tensor, b: Tensor) -> Tensor:
        return gate * ops.relu(x @ w + b) + (1 - gate) * x

    return Block(function, start(truncated_normal, blocks), opened(schedule, blocks))


def grelu(blocks: int, schedule: Schedule = SCHEDULE) -> Block:
    """Return layers (1-g) u + g relu(u), u = x W + b, with orthogonal W: at g = 0 a chain of rotations."""

    return Block(gated_relu, start(orthogonal, blocks), opened(schedule, blocks))


def gated_relu(x: Tensor, gate: Tensor, w: Tensor, b: Tensor) -> Tensor:
    """Return (1-g) u + g relu(u) of u = x W + b."""
    u = x @ w + b
    return gate * ops.relu(u) + (1 - gate) * u


def opened(schedule: Schedule, blocks: int) -> Callable[..., Tensor]:
    """Return gates that all follow one schedule."""
    return lambda progress, coins=None: ops.full([blocks], 1.0, dtype="float32") * schedule(progress)

"""Counts of wide residual networks with the cheap blocks of Crowley, Gray and Storkey (2018), by arithmetic alone.

Their blocks are not those of :mod:`gradbook.lowrank.networks`: a separable convolution has a batch normalisation
between its steps, and a bottleneck takes the place of both convolutions of a block. Their counts hold the running means
and variances of batch normalisation, too.
"""

import re
from collections.abc import Sequence

from gradbook.errors import InputError
from gradbook.lowrank.arguments import blocks_in_stage

WHOLE = r"[1-9]\d*"
GROUPED = rf"(?P<grouped>DConv|G(?P<size>{WHOLE})|A(?P<groups>{WHOLE}))"
FORM = rf"(?P<plain>[23])x(?P=plain)|{GROUPED}(B(?P<reduction>{WHOLE}))?|B(?P<only>{WHOLE})"
NORMALISATION = 4  # numbers of each channel: scale, shift, running mean and variance


def parameters(depth: int, width: int, blocks: str | Sequence[str], classes: int = 10) -> int:
    """Count the numbers of a wide residual network.

    Args:
        depth: 6n + 4.
        width: factor on the channels 16, 32, 64.
        blocks: the kind of block, or one for each of the three stages: "3x3" or "2x2", dense; "DConv", separable;
            "Gg", in groups of g channels; "Ag", in g groups; with "Br" behind, within a bottleneck of c / r channels.
        classes: outputs.

    Raises:
        InputError: a depth of another form, a kind of block that they do not have, or a number of kinds but 1 and 3.

    >>> parameters(40, 2, "3x3"), parameters(40, 2, "DConv"), parameters(40, 2, "A4B2")
    (2248954, 304074, 219514)
    """
    kinds, total, channels = [blocks] * 3 if isinstance(blocks, str) else blocks, 9 * 3 * 16, 16
    if len(kinds) != 3:
        raise InputError(f"blocks must be one kind, or one for each of three stages; received {blocks!r}.")
    for stage, kind in enumerate(kinds):
        filters = 2**stage * 16 * width
        total += channels * filters if channels != filters else 0  # the shortcut
        for _ in range(blocks_in_stage(depth)):
            total += _block(channels, filters, kind)
            channels = filters
    return total + NORMALISATION * channels + (channels + 1) * classes


def _block(channels: int, filters: int, kind: str) -> int:
    found = re.fullmatch(FORM, kind)
    if not found:
        raise InputError(f"blocks must be 3x3, 2x2, DConv, Gg or Ag, maybe with Br behind; received {kind!r}.")
    if reduction := found["reduction"] or found["only"]:
        inner = filters // int(reduction)
        spatial = 9 * inner * (_group(found, inner) if found["grouped"] else inner)
        return NORMALISATION * (channels + 2 * inner) + (channels + filters) * inner + spatial

    def convolution(before: int) -> int:
        if found["plain"]:
            return int(found["plain"]) ** 2 * before * filters
        return before * (9 * _group(found, before) + NORMALISATION + filters)

    return NORMALISATION * (channels + filters) + convolution(channels) + convolution(filters)


def _group(found: re.Match, channels: int) -> int:
    """Return how many channels see each other."""
    return channels // int(found["groups"]) if found["groups"] else int(found["size"] or 1)

"""The blocks by name."""

from collections.abc import Callable

from gradbook.gradnets.blocks.annealed import gradnet, grelu, plain
from gradbook.gradnets.blocks.block import Block
from gradbook.gradnets.blocks.deep_norm import deepnorm, layernorm
from gradbook.gradnets.blocks.deep_training import vanillanet
from gradbook.gradnets.blocks.dropped_blocks import stochastic_depth
from gradbook.gradnets.blocks.fixup_start import fixup
from gradbook.gradnets.blocks.masked_growth import growth
from gradbook.gradnets.blocks.names import BlockName
from gradbook.gradnets.blocks.re_zero import rezero
from gradbook.gradnets.blocks.skip_init import scaled, skipinit
from gradbook.gradnets.blocks.tailored_relu import tailored

BLOCKS: dict[BlockName, Callable[[int], Block]] = {
    "plain": plain,
    "gradnet": gradnet,
    "grelu": grelu,
    "growth": growth,
    "vanillanet": vanillanet,
    "rezero": rezero,
    "skipinit": skipinit,
    "scaled": scaled,
    "fixup": fixup,
    "deepnorm": deepnorm,
    "layernorm": layernorm,
    "stochastic_depth": stochastic_depth,
    "tailored": tailored,
}
"""Functions that return the block of a network with so many hidden matrices; one's own may be added."""

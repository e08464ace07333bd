"""The blocks by name."""

from collections.abc import Callable

from gradbook.gradnets.blocks.annealed import gradnet, grelu, plain
from gradbook.gradnets.blocks.block import Block
from gradbook.gradnets.blocks.deepnorm import deepnorm, layernorm
from gradbook.gradnets.blocks.fixup import fixup
from gradbook.gradnets.blocks.growth import growth
from gradbook.gradnets.blocks.names import BlockName
from gradbook.gradnets.blocks.rezero import rezero
from gradbook.gradnets.blocks.skipinit import scaled, skipinit
from gradbook.gradnets.blocks.stochastic_depth import stochastic_depth
from gradbook.gradnets.blocks.tailored import tailored
from gradbook.gradnets.blocks.vanillanet import vanillanet

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

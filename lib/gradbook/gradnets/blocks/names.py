"""The names of the blocks, for those who may not bring a backend along."""

from typing import Literal

BlockName = Literal[
    "plain", "gradnet", "grelu", "growth", "vanillanet", "rezero", "skipinit", "scaled", "fixup", "deepnorm",
    "layernorm", "stochastic_depth", "tailored",
]  # fmt: skip

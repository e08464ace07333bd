"""Part II: the gradient predicted before it arrives, so that no block of a network need wait for those above it."""

from importlib import import_module
from typing import Any, Literal, get_args

Target = Literal["bootstrapped", "true"]
Reduction = Literal["mean", "sum"]
Mode = Literal["backpropagation", "no backpropagation", "DNI", "cDNI", "cDNI unlocked"]

MODES: tuple[str, ...] = get_args(Mode)

_WHERE = {
    "Chain": "chain",
    "Critic": "predictors",
    "Data": "training",
    "Interface": "chain",
    "Policy": "policy",
    "SyntheticGradient": "predictors",
    "SyntheticInput": "predictors",
    "cut": "chain",
    "messages": "rules",
    "modes": "policy",
    "predictor_loss": "rules",
    "train": "training",
}

__all__ = ["MODES", "Mode", "Reduction", "Target", *_WHERE]


def __getattr__(name: str) -> Any:
    """Names need no TensorFlow; layers and functions bring it along when first used."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)

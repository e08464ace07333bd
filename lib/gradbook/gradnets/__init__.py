"""Part III: a network that starts easy and turns into the one that is wanted, as a gate g goes from 0 to 1."""

from importlib import import_module
from typing import Any, Literal, get_args

Layer = Literal["identity", "preactivation", "residual", "leaky", "highway"]
LAYERS: tuple[str, ...] = get_args(Layer)

_WHERE = {
    "Constant": "gates",
    "Cosine": "gates",
    "Linear": "gates",
    "Schedule": "gates",
    "Step": "gates",
    "Gate": "layers",
    "Gradual": "layers",
    "GradualBatchNormalization": "layers",
    "GradualDepth": "layers",
    "GradualDropout": "layers",
    "GradualHighway": "layers",
    "GradualPooling": "layers",
    "GradualReLU": "layers",
    "GradualSampling": "layers",
    "Progress": "layers",
    "GradualOptimizer": "optimizers",
    "gradual_mlp": "networks",
    "hidden_layers": "stack",
}

__all__ = ["LAYERS", "Layer", *_WHERE]


def __getattr__(name: str) -> Any:
    """Names need no TensorFlow; layers and functions bring it along when first used."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)

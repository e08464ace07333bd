"""The kernels, experiments and press behind *Gradients, Rewritten*.

Parts are imported when they are first used, so that ``import gradbook`` stays cheap and does not import TensorFlow:

>>> import gradbook
>>> gradbook.errors.unknown("rule", "projektion", ["projection", "orthogonal"])
InputError("unknown rule 'projektion'; did you mean 'projection'? Known: projection, orthogonal.")
"""

from importlib import import_module
from importlib.util import find_spec


def __getattr__(name: str):
    if name.startswith("_") or find_spec(f"gradbook.{name}") is None:
        raise AttributeError(f"module 'gradbook' has no attribute {name!r}")
    return import_module(f"gradbook.{name}")

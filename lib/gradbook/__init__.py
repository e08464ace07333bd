"""The kernels, experiments and press behind *Gradients, Rewritten*.

Parts are imported when they are first used, so that ``import gradbook`` stays cheap and does not import TensorFlow:

>>> import gradbook
>>> gradbook.errors.unknown("rule", "projektion", ["projection", "orthogonal"])
InputError("unknown rule 'projektion'; did you mean 'projection'? Known: projection, orthogonal.")
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

"""What came of the gate: blocks that a deep network of equal blocks can be made of, and how each of them starts.

A block computes its output from its input x, a gate g and its own weights. They differ in who sets the gate: an
annealing schedule, the gradient, a coin, a constant of the depth, or nobody. Adding one is a module and a line in
`table`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

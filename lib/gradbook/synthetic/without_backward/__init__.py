"""What a block can learn from in place of the propagated gradient: one small module an idea.

Each gives messages δ₁ … δ_L, one for each hidden layer h₁ … h_L of a dense network, float [n, units]. A layer treats
its message as the gradient of the loss at its output, each row as that of one example's own loss. Nothing here needs
automatic differentiation.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

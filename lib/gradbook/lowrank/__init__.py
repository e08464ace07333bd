"""Part IV: convolutions with fewer weights, the networks they go into, what they cost, and how they are trained."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

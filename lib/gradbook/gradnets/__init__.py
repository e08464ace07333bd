"""Part III: a network that starts easy and turns into the one that is wanted, as a gate g goes from 0 to 1."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

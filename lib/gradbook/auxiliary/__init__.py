"""Part I: an auxiliary task's gradient, and how much of it the main task lets through."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

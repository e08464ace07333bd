"""Convolutions with fewer weights: one family a class, each called as ``keras.layers.Conv2D`` is.

Every family is linear (but for the bottleneck) and starts with the variance of a dense convolution initialised after
He et al. (2015, eq. 10): white noise of variance 1 at the input gives variance 2 at the output. Images are
[batch, height, width, channels]; c_in and c_out are channels, k×k is the kernel.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

"""Mollified activations: a ReLU averaged over noise, which sharpens as the noise is taken away."""

from gradbook import ops
from gradbook.errors import InputError
from gradbook.gradnets.blocks.block import Tensor


def mollified_relu(x: Tensor, noise: float) -> Tensor:
    """Return E relu(x + s z) = x Φ(x/s) + s φ(x/s) for z ~ N(0, 1).

    As s falls to 0 it is the ReLU; for large s it is x/2 + s/√(2π), a straight line. Its slope there is ½, so that
    fifty such layers keep 2⁻⁵⁰ of a gradient: in a deep stack this gate needs a way around it.

    Args:
        x: of any shape.
        noise: s > 0.

    Raises:
        InputError: an s that is not above 0.

    Source: Gulcehre et al. 2016, arXiv 1608.04980.

    >>> round(float(mollified_relu(0.0, 1.0)), 4)
    0.3989
    """
    if not noise > 0:
        raise InputError(f"noise must be above 0; received {noise}.")
    scaled = x / noise
    density = ops.exp(-(scaled**2) / 2) / 2.5066282746310002
    return x * 0.5 * (1 + ops.erf(scaled / 1.4142135623730951)) + noise * density

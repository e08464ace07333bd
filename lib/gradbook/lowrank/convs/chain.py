"""Families whose matrix is a chain of steps that are each faster than a product with a matrix."""
# ruff: noqa: D102 (a method without a docstring does what its base class says)

from typing import Any

from keras import ops

from gradbook.lowrank.convs.separable import Separable


class Chain(Separable):
    """Separable, with the second step applied link by link, or folded into one matrix where that is less work.

    It is folded where an image batch has more pixels than there are input channels (a batch of unknown size counts as
    32, Keras's default).
    """

    def chain(self, inputs: Any) -> Any:
        """Apply the links, one after the other, to inputs [n, c_in]."""
        raise NotImplementedError

    def chain_mult_adds(self, channels: int) -> int:
        """Count the multiplications of the links for one pixel."""
        raise NotImplementedError

    def matrix(self) -> Any:
        weight = ops.convert_to_tensor(self.factor[next(iter(self.channel_factors(self.channels)))])
        return self.chain(ops.eye(self.channels, dtype=weight.dtype))

    def mix(self, images: Any) -> Any:
        batch, height, width, channels = images.shape
        if None in (height, width) or (batch or 32) * height * width > channels:
            return super().mix(images)
        return ops.reshape(self.chain(ops.reshape(images, (-1, channels))), (-1, height, width, self.filters))

    def mix_mult_adds(self, channels: int) -> int:
        """Return what the links multiply for one pixel, or the folded matrix if that is less."""
        return min(self.chain_mult_adds(channels), channels * self.filters)

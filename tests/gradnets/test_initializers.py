"""Draws are what their docstrings say, for one matrix and for a stack of them."""

import numpy as np
import pytest

from gradbook.errors import InputError
from gradbook.gradnets.initializers import he, orthogonal, truncated_normal
from gradbook.seeds import generator


@pytest.mark.parametrize("shape", [(80, 50), (6, 80, 50), (6, 50, 50)])
def test_draws_have_their_variance_their_edges_or_orthonormal_columns(shape):
    draw = generator(0, "weights")
    assert he(shape, draw).std() == pytest.approx((2 / shape[-2]) ** 0.5, rel=0.05)
    cut = truncated_normal(shape, draw)
    assert 0.19 < np.abs(cut).max() <= 0.2
    assert cut.shape == shape
    w = orthogonal(shape, draw)
    np.testing.assert_allclose(
        np.swapaxes(w, -2, -1) @ w, np.broadcast_to(np.eye(50), (*shape[:-2], 50, 50)), atol=1e-12
    )


def test_more_orthonormal_columns_than_they_have_entries_are_refused():
    with pytest.raises(InputError, match=r"no more outputs than inputs; received \(3, 5\)"):
        orthogonal((3, 5), generator(0))

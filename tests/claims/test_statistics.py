"""The mathematics of verdicts."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from gradbook.claims.statistics import half_width, sign_flip_p

SAMPLE = st.lists(st.integers(-1000, 1000).map(float), min_size=2, max_size=7).map(np.array)


@given(sample=SAMPLE)
def test_sign_flips_are_those_counted_one_by_one(sample):
    means = [np.mean(sample * signs) for signs in product([1, -1], repeat=len(sample))]
    expected = np.mean(np.array(means) >= sample.mean() - 1e-9)
    assert sign_flip_p(sample, 1) == pytest.approx(expected)
    assert sign_flip_p(-sample, -1) == pytest.approx(expected)


def test_the_interval_is_that_of_student():
    low, high = stats.ttest_1samp(sample := [0.1, 0.4, 0.2, 0.9], 0).confidence_interval(0.9)
    assert 2 * half_width(sample, confidence=0.9) == pytest.approx(high - low)

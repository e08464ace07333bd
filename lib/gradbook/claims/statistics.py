"""The mathematics of verdicts, on plain numbers and arrays.

Every question gives two probabilities: `Test.p` is small where the runs show that a claim holds, `Test.contrary` where
they show that it does not. All tests are Student's; arrays of samples are tested element by element.
"""

from typing import NamedTuple

import numpy as np
from scipy import stats

Numbers = float | np.ndarray


class Sample(NamedTuple):
    """What is known of a sample: its mean, its standard deviation (divisor n - 1), and its size n ≥ 2."""

    mean: Numbers
    deviation: Numbers
    size: Numbers

    @classmethod
    def of(cls, values: np.ndarray) -> "Sample":
        """Return the sample along the last axis of an array; equal values have no deviation, not even by rounding."""
        same, first = np.ptp(values, axis=-1) == 0, values[..., 0]
        mean, deviation = values.mean(axis=-1), values.std(axis=-1, ddof=1)
        return cls(np.where(same, first, mean)[()], np.where(same, 0.0, deviation)[()], values.shape[-1])


class Test(NamedTuple):
    """What a test says.

    Attributes:
        p: how likely runs like these would be if the claim were wrong; `prediction` says what it is for single numbers.
        contrary: how likely they would be if it were right.
        error: standard error of what was compared.
        freedom: its degrees of freedom.
        tails: on how many sides of the interval that decides the level is spent.
    """

    p: Numbers
    contrary: Numbers
    error: Numbers
    freedom: Numbers
    tails: int = 1


def direction(sample: Sample, origin: float, side: int) -> Test:
    """Test whether the true mean lies above the origin (side 1) or below it (side -1).

    >>> test = direction(Sample.of(np.array([1.0, 2.0, 3.0])), origin=0, side=1)
    >>> round(float(test.p), 4), round(float(test.contrary), 4)
    (0.0371, 0.9629)
    """
    error, freedom = sample.deviation / np.sqrt(sample.size), sample.size - 1
    distance = side * (sample.mean - origin)
    return Test(_above(distance, error, freedom), _above(-distance, error, freedom), error, freedom)


def prediction(sample: Sample, published: float, tolerance: float, runs: int = 1) -> Test:
    """Test whether a published number is one that runs like ours give, where nothing is known of its own spread.

    Runs like ours give means of m runs whose distance from our mean has the standard error s·√(1/m + 1/n), which makes
    a prediction interval. The number agrees where it is within the tolerance, and such means are as well: ``p`` is
    their probability not to be. It disagrees where it is farther, and ``contrary`` is their probability to be as far.

    Args:
        sample: our n runs.
        published: the number.
        tolerance: the largest difference of no interest.
        runs: m, the runs that it is the mean of.

    >>> test = prediction(Sample.of(np.array([0.9, 1.0, 1.1])), published=1.2, tolerance=0.5)
    >>> round(float(test.p), 4), float(test.contrary)
    (0.0494, 1.0)
    """
    error, freedom = sample.deviation * np.sqrt(1 / sample.size + 1 / runs), sample.size - 1
    distance = np.abs(sample.mean - published)
    near = distance <= tolerance
    p = np.where(near, 2 * _above(tolerance, error, freedom, at_equal=0), 1.0)
    contrary = np.where(near, 1.0, 2 * _above(distance, error, freedom))
    return Test(p, contrary, error, freedom, tails=2)


def agreement(sample: Sample, published: float, tolerance: float, deviation: float, runs: int = 1) -> Test:
    """Test whether the true mean is within a tolerance of the mean behind a published number: two one-sided tests.

    The number is the mean of m runs of standard deviation s', ours of n runs of s; their difference has the standard
    error √(s²/n + s'²/m).

    Args:
        sample: our runs.
        published: the number.
        tolerance: the largest difference of no interest.
        deviation: s', 0 for a number that is no measurement.
        runs: m.

    Source:
        D. J. Schuirmann, "A comparison of the two one-sided tests procedure and the power approach", 1987;
        degrees of freedom by B. L. Welch, 1947.

    >>> test = agreement(Sample.of(np.array([0.9, 1.0, 1.1])), published=1.0, tolerance=0.5, deviation=0)
    >>> round(float(test.p), 4)
    0.0065
    """
    ours, theirs = sample.deviation**2 / sample.size, deviation**2 / runs
    error, freedom = np.sqrt(ours + theirs), sample.size - 1
    if deviation and runs > 1:
        freedom = (ours + theirs) ** 2 / (ours**2 / freedom + theirs**2 / (runs - 1))
    distance = np.abs(sample.mean - published)
    beyond = _above(distance - tolerance, error, freedom, at_equal=1) + _above(distance + tolerance, error, freedom)
    p = _above(tolerance - distance, error, freedom, at_equal=0)
    return Test(p, np.minimum(beyond, 1), error, freedom)


def every(*tests: Test) -> Test:
    """Return the test of a claim that holds where each of several holds; the error is that of the last.

    For the claim the least convincing counts; against it the most convincing, times their number (Bonferroni).
    """
    p = np.maximum.reduce([test.p for test in tests])
    contrary = np.minimum.reduce([test.contrary for test in tests]) * len(tests)
    return tests[-1]._replace(p=p, contrary=np.minimum(contrary, 1))


def half_width(test: Test, level: float) -> Numbers:
    """Return half of the length of the interval that decides at a level, around what was compared."""
    return stats.t.ppf(1 - level / test.tails, test.freedom) * test.error


def adjusted(p: np.ndarray) -> np.ndarray:
    """Return p-values adjusted for their number, after Benjamini and Hochberg (1995).

    >>> adjusted(np.array([0.01, 0.04, 0.03])).tolist()
    [0.03, 0.04, 0.04]
    """
    return stats.false_discovery_control(p) if len(p) else p


def limit(p: np.ndarray, level: float) -> float:
    """Return the value up to which p-values are below the level once they are adjusted.

    >>> round(float(limit(np.array([0.01, 0.04, 0.03]), level=0.05)), 9)
    0.05
    """
    passed = np.count_nonzero(adjusted(p) <= level)
    return level * max(int(passed), 1) / max(len(p), 1)


def resampled(values: np.ndarray, times: int, generator: np.random.Generator) -> Sample:
    """Return samples of the same size, drawn with replacement from the values of one."""
    return Sample.of(values[generator.integers(len(values), size=(times, len(values)))])


def _above(distance: Numbers, error: Numbers, freedom: Numbers, at_equal: float = 0.5) -> Numbers:
    """Return the probability that Student's t is above distance / error, and ``at_equal`` for 0 / 0.

    A number without any spread that is just at a tolerance is within it.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        quotient = np.divide(distance, error)
    return np.where(np.isnan(quotient), at_equal, stats.t.sf(quotient, freedom))[()]

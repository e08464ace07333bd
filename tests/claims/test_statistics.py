"""The mathematics of verdicts: against SciPy, by what they promise, and by what must not matter."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from gradbook.claims.statistics import (
    Sample,
    adjusted,
    agreement,
    direction,
    every,
    half_width,
    limit,
    prediction,
    resampled,
)
from gradbook.claims.verdict import REPRODUCED, judge

NUMBERS = st.floats(-10, 10).map(lambda number: round(number, 3))
TOLERANCES = st.integers(0, 5000).map(lambda number: number / 1000)
VALUES = st.lists(NUMBERS, min_size=3, max_size=8).map(np.array)
LIMITS = (0.05, 0.05)


def test_a_direction_is_student_s_test():
    values = np.array([0.3, -0.1, 0.8, 0.4])
    for side, word in ((1, "greater"), (-1, "less")):
        test = direction(Sample.of(values), origin=0.1, side=side)
        assert test.p == pytest.approx(stats.ttest_1samp(values, 0.1, alternative=word).pvalue)
        assert test.p + test.contrary == pytest.approx(1)


def test_agreement_is_two_one_sided_tests():
    values = np.array([0.3, -0.1, 0.8, 0.4])
    below = stats.ttest_1samp(values, 0.2 - 0.5, alternative="greater").pvalue
    above = stats.ttest_1samp(values, 0.2 + 0.5, alternative="less").pvalue
    assert agreement(Sample.of(values), 0.2, 0.5, deviation=0).p == pytest.approx(max(below, above))


def test_a_published_spread_makes_it_welch_s():
    values, theirs = np.array([0.3, -0.1, 0.8, 0.4]), np.array([0.9, 0.2, 0.6, 0.7, 0.1, 0.5])
    test = agreement(Sample.of(values), theirs.mean(), 0, theirs.std(ddof=1), len(theirs))
    assert test.contrary == pytest.approx(stats.ttest_ind(values, theirs, equal_var=False).pvalue)


def test_a_single_published_run_is_met_by_a_prediction_interval():
    values = np.array([0.3, -0.1, 0.8, 0.4])
    half = stats.t.ppf(0.975, 3) * values.std(ddof=1) * np.sqrt(1 + 1 / 4)
    assert half_width(prediction(Sample.of(values), 0, 1), 0.05) == pytest.approx(half)
    inside, outside = (prediction(Sample.of(values), values.mean() + far * half, 0.1) for far in (0.9, 1.1))
    assert inside.contrary > 0.05 > outside.contrary
    narrow, wide = (prediction(Sample.of(values), values.mean(), share * half) for share in (0.9, 1.1))
    assert narrow.p > 0.05 > wide.p


@given(values=VALUES, published=NUMBERS, tolerance=TOLERANCES)
def test_the_interval_within_the_tolerance_is_what_small_p_means(values, published, tolerance):
    test = agreement(Sample.of(values), published, tolerance, deviation=0)
    inside = abs(values.mean() - published) + half_width(test, 0.05) - tolerance
    if abs(inside) > 1e-6:
        assert (inside < 0) == (test.p < 0.05)


def questions(sample, published, tolerance):
    """Every test of a size."""
    return prediction(sample, published, tolerance), agreement(sample, published, tolerance, deviation=0)


@given(values=VALUES, published=NUMBERS, narrow=TOLERANCES, wider=TOLERANCES)
def test_widening_a_tolerance_helps_a_claim_only(values, published, narrow, wider):
    before, after = (questions(Sample.of(values), published, width) for width in (narrow, narrow + wider))
    for first, second in zip(before, after, strict=True):
        assert second.p <= first.p + 1e-9 and second.contrary >= first.contrary - 1e-9


@given(values=VALUES, published=NUMBERS, tolerance=TOLERANCES, side=st.sampled_from([1, -1]))
def test_a_run_at_the_mean_never_makes_a_verdict_less_sure(values, published, tolerance, side):
    def verdicts(sample):
        tests = direction(sample, published, side), *questions(sample, published, tolerance)
        return [str(judge(test.p, test.contrary, LIMITS)) for test in tests]

    sample = Sample.of(values)
    before, after = verdicts(sample), verdicts(Sample.of(np.append(values, sample.mean)))
    assert all(verdict in (later, "inconclusive") for verdict, later in zip(before, after, strict=True))


@given(values=VALUES, published=NUMBERS, tolerance=TOLERANCES, scale=st.sampled_from([0.01, -2, 100]))
def test_units_signs_and_order_do_not_matter(values, published, tolerance, scale):
    def tests(values, scale):
        sample, side = Sample.of(scale * values), int(np.sign(scale))
        return direction(sample, scale * published, side), *questions(sample, scale * published, abs(scale) * tolerance)

    assume(abs(abs(values.mean() - published) - tolerance) > 1e-9)
    for one, other in zip(tests(values, 1), tests(values[::-1], scale), strict=True):
        assert other.p == pytest.approx(one.p, abs=1e-6) and other.contrary == pytest.approx(one.contrary, abs=1e-6)


@given(value=NUMBERS, size=st.integers(3, 50))
def test_runs_that_are_all_at_the_origin_say_nothing(value, size):
    test = direction(Sample.of(np.full(size, value)), value, 1)
    assert (test.p, test.contrary, test.error) == (0.5, 0.5, 0)


def test_a_mean_of_several_published_runs_has_their_prediction_interval():
    values = np.array([0.3, -0.1, 0.8, 0.4])
    half = stats.t.ppf(0.975, 3) * values.std(ddof=1) * np.sqrt(1 / 10 + 1 / 4)
    assert half_width(prediction(Sample.of(values), 0, 1, runs=10), 0.05) == pytest.approx(half)


def test_runs_that_do_not_scatter_at_all_decide_by_their_mean():
    same = Sample.of(np.array([0.5, 0.5, 0.5]))
    assert direction(same, 0, 1).p == 0 and direction(same, 0.5, 1).p == 0.5 and direction(same, 1, 1).p == 1
    for right, wrong in zip(questions(same, 0.5, 0.1), questions(same, 1, 0.1), strict=True):
        assert (right.p, right.contrary) == (0, 1) and (wrong.p, wrong.contrary) == (1, 0)


def test_a_number_without_spread_that_is_just_at_a_tolerance_is_within_it():
    for tolerance, published in ((0.0, 0.5), (0.25, 0.75)):
        for right in questions(Sample.of(np.array([0.5, 0.5, 0.5])), published, tolerance):
            assert (right.p, right.contrary) == (0, 1)


def test_a_claim_of_two_parts_needs_both_and_falls_by_one():
    values = Sample.of(np.array([0.9, 1.0, 1.1]))
    right, wrong = direction(values, 0, 1), agreement(values, 5, 0.1, deviation=0)
    assert every(right, wrong).p == wrong.p
    assert every(right, wrong).contrary == pytest.approx(2 * wrong.contrary)


@given(p=st.lists(st.floats(0, 1), max_size=8).map(np.array))
def test_the_limit_is_where_adjusted_values_pass(p):
    passed = adjusted(p) <= 0.05
    assert (p[passed] <= limit(p, 0.05) + 1e-12).all() and (p[~passed] > limit(p, 0.05) - 1e-12).all()


@pytest.mark.parametrize("effect", [-1.0, 0.0, 1.0])
def test_the_rate_of_wrong_verdicts_is_what_the_level_promises(effect):
    random = np.random.default_rng(0)
    ours = Sample.of(random.normal(effect, 1, size=(4000, 5)))
    found = judge(*direction(ours, 0, 1)[:2], LIMITS)
    wrong = found == {-1: REPRODUCED, 0: REPRODUCED, 1: "not reproduced"}[int(effect)]
    assert wrong.mean() < 0.06
    if effect:
        assert (found == ("reproduced" if effect > 0 else "not reproduced")).mean() > 0.5
    else:
        assert wrong.mean() == pytest.approx(0.05, abs=0.012)


def test_sizes_are_decided_wrongly_at_the_level_at_most():
    random = np.random.default_rng(1)
    ours = random.normal(size=(4000, 8))
    theirs = random.normal(2, 1, size=(4000, 10)).mean(axis=1)
    at_the_tolerance = agreement(Sample.of(ours), theirs, 2.0, deviation=1.0, runs=10)
    verdicts = judge(at_the_tolerance.p, at_the_tolerance.contrary, LIMITS)
    assert (verdicts == "reproduced").mean() < 0.06 and (verdicts == "not reproduced").mean() < 0.06
    single = prediction(Sample.of(ours), random.normal(size=4000), tolerance=0.5)
    assert (judge(single.p, single.contrary, LIMITS) == "not reproduced").mean() < 0.06


def test_resampling_draws_from_the_values_alone():
    drawn = resampled(np.array([1.0, 1.0, 1.0]), 10, np.random.default_rng(0))
    assert drawn.mean.tolist() == [1.0] * 10 and drawn.deviation.tolist() == [0.0] * 10 and drawn.size == 3

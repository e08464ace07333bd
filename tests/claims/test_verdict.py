"""The rule that gives verdicts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradbook.claims.verdict import judge

NUMBERS = st.integers(-1000, 1000).map(float)


@pytest.mark.parametrize(
    ("verdict", "measured", "published", "limits"),
    [
        ("reproduced", 0.31, 0.30, {"tolerance": 0.02}),
        ("reproduced", 162160, 162160, {"tolerance": 0}),
        ("not reproduced", 162161, 162160, {"tolerance": 0}),
        ("not reproduced", 0.35, 0.30, {"tolerance": 0.02}),
        ("direction only", 0.35, 0.30, {"tolerance": 0.02, "origin": 0.5}),
        ("not reproduced", 0.55, 0.30, {"tolerance": 0.02, "origin": 0.5}),
        ("reproduced", 0.2, "greater", {"origin": 0, "level": 0.05, "p": 0.03}),
        ("direction only", 0.2, "greater", {"origin": 0, "level": 0.05, "p": 0.06}),
        ("not reproduced", -0.2, "greater", {"origin": 0, "level": 0.05, "p": 0.97}),
        ("not reproduced", 0.0, "greater", {"origin": 0, "level": 0.05, "p": 0.5}),
        ("reproduced", -0.2, "less", {"origin": 0, "level": 0.05, "p": 0.01}),
        ("direction only", 0.2, 0.1, {"origin": 0, "level": 0.05, "p": 0.01, "tolerance": 0.05}),
        ("reproduced", 0.2, 0.1, {"origin": 0, "level": 0.05, "p": 0.01}),
        ("reproduced", -0.005, 0.0, {"origin": 0, "tolerance": 0.01}),
    ],
)
def test_each_verdict(verdict, measured, published, limits):
    assert judge(measured, published, **limits) == verdict


@given(number=NUMBERS, tolerance=st.floats(0, 10))
def test_what_was_published_reproduces_itself(number, tolerance):
    assert judge(number, number, tolerance=tolerance) == "reproduced"


@given(
    measured=NUMBERS, published=NUMBERS, origin=NUMBERS, tolerance=st.integers(0, 100), scale=st.sampled_from([-2, 4])
)
def test_units_and_signs_do_not_matter(measured, published, origin, tolerance, scale):
    as_it_is = judge(measured, published, origin=origin, tolerance=tolerance)
    scaled = (scale * number for number in (measured, published, origin, abs(tolerance)))
    m, b, o, t = scaled
    assert judge(m, b, origin=o, tolerance=abs(t)) == as_it_is


@given(measured=NUMBERS, origin=NUMBERS, p=st.floats(0, 1))
def test_opposite_directions_are_never_both_right(measured, origin, p):
    verdicts = [judge(measured, way, origin=origin, level=0.05, p=p) for way in ("greater", "less")]
    assert "not reproduced" in verdicts

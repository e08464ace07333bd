"""Figures are legible on any page and by any eye."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from gradbook import plots
from gradbook.auxiliary import RULES


@pytest.fixture
def style():
    with plt.rc_context():
        plots.use_style()
        yield


def luminance(colour) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def test_figures_bring_a_solid_light_ground(style):
    figure, axes = plt.subplots()
    for ground in (figure.get_facecolor(), axes.get_facecolor()):
        assert ground[3] == 1 and luminance(ground[:3]) > 0.9
    plt.close(figure)


def test_lines_stand_out_from_it():
    contrast = [1.05 / (luminance(colour) + 0.05) for colour in plots.COLOURS]
    assert min(contrast) > 2


def test_every_rule_looks_different_in_colour_and_without():
    styles = plots.styles(RULES)
    assert len({style["color"] for style in styles.values()}) == len(RULES)
    assert len({style["linestyle"] for style in styles.values()}) == len(RULES)


def test_seeds_are_faint_lines_under_their_mean(style):
    figure, axes = plt.subplots()
    curves = np.array([[0.0, 1.0], [2.0, 5.0]])
    mean = plots.seeds(axes, np.arange(2), curves, "two runs", color="#0072B2", linestyle="--")
    assert mean.get_ydata().tolist() == [1.0, 3.0]
    faint = axes.lines[:-1]
    assert [line.get_ydata().tolist() for line in faint] == curves.tolist()
    assert all(line.get_alpha() < 0.5 and line.get_linewidth() < mean.get_linewidth() for line in faint)
    assert axes.get_legend_handles_labels()[1] == ["two runs"]
    plt.close(figure)


@pytest.mark.parametrize("name", ["$x", "$x$ or $y$", r"\$", "a_b", "_", "cat/dog", "100 % <b>", "été"])
def test_a_name_is_drawn_letter_by_letter_and_never_read_as_a_formula(style, name):
    pixels = []
    for text, options in ((name, {"parse_math": False}), (plots.literal(name), {})):
        figure = plt.figure()
        figure.suptitle(text, **options)
        figure.canvas.draw()
        pixels.append(np.asarray(figure.canvas.buffer_rgba()))
        plt.close(figure)
    assert np.array_equal(*pixels)


@pytest.mark.parametrize("name", ["猫", "\N{GRINNING FACE}", "\ufdd0"])
def test_a_character_that_no_font_has_is_given_by_its_number(style, name):
    assert plots.literal(name) in (name, f"U+{ord(name):04X}")
    figure, axes = plt.subplots()
    axes.set_title(plots.literal(name))
    figure.canvas.draw()  # a missing glyph is a warning, and here an error
    plt.close(figure)

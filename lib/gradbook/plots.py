"""The book's figures: one palette that survives colour blindness and print, and seeds shown one by one."""

from collections.abc import Iterable
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font
from matplotlib.lines import Line2D

COLOURS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe and Ito's palette without its yellow, which white paper swallows: jfly.uni-koeln.de/color."""

DASHES = ("-", "--", "-.", (0, (1, 1)), (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (8, 2)))
"""A dash pattern for each colour, so that lines can be told apart without it."""

FONTS = ("Noto Sans CJK JP", "WenQuanYi Micro Hei", "Microsoft YaHei", "Hiragino Sans GB", "Arial Unicode MS")
"""Families that Linux, Windows and macOS have for characters that matplotlib's own lacks, above all Chinese ones."""


def use_style() -> None:
    """Give every figure from here on the book's style, on a light ground of its own that dark pages do not swallow."""
    installed = {font.name for font in fontManager.ttflist}
    plt.rcParams.update(
        {
            "figure.figsize": (7.0, 3.2),
            "figure.dpi": 100,
            "figure.facecolor": "white",
            "figure.constrained_layout.use": True,
            "savefig.facecolor": "white",
            "axes.facecolor": "white",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.axisbelow": True,
            "axes.formatter.min_exponent": 3,
            "axes.prop_cycle": plt.cycler(color=COLOURS, linestyle=DASHES),
            "axes.titlesize": "medium",
            "font.family": ["sans-serif", *(family for family in FONTS if family in installed)],
            "grid.color": "#e0e0e0",
            "legend.frameon": False,
            "lines.linewidth": 1.8,
        }
    )


def styles(names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return a colour and a dash pattern for each name, the same wherever the same names are given in the same order.

    After the last colour the first follows with another dash pattern.

    >>> styles(["single_task", "multitask"])["multitask"]
    {'color': '#0072B2', 'linestyle': '--'}
    >>> styles("abcdefgh")["h"]
    {'color': '#000000', 'linestyle': '--'}
    """
    count = len(COLOURS)
    return {
        name: {"color": COLOURS[i % count], "linestyle": DASHES[(i + i // count) % count]}
        for i, name in enumerate(names)
    }


def literal(text: str) -> str:
    """Return a text of the reader's own, such as the name of a class, so that a figure shows it letter by letter.

    A dollar sign begins no formula; a character that no font of the style has is given by its number.

    >>> print(literal("$5"))
    \\$5
    """
    fonts = [get_font(findfont(FontProperties(family=[family]))) for family in plt.rcParams["font.family"]]
    shown = (sign if any(font.get_char_index(ord(sign)) for font in fonts) else f"U+{ord(sign):04X}" for sign in text)
    return "".join(shown).replace("$", r"\$")


def seeds(axes: Axes, x: np.ndarray, curves: np.ndarray, label: str, **style: Any) -> Line2D:
    """Draw every seed as a faint line, and their mean over them.

    Args:
        axes: where.
        x: [points].
        curves: [seeds, points].
        label: for the legend.
        style: of all the lines, such as an entry of `styles`.

    Returns:
        The line of the mean.
    """
    for curve in curves:
        axes.plot(x, curve, **style | {"linewidth": 0.7, "alpha": 0.35})
    (mean,) = axes.plot(x, np.mean(curves, axis=0), label=label, **style)
    return mean

"""The book's figures: one palette that survives colour blindness and print, and seeds shown one by one."""

from collections.abc import Iterable
from itertools import cycle
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

COLOURS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe and Ito's palette without its yellow, which white paper swallows: jfly.uni-koeln.de/color."""

DASHES = ("-", "--", "-.", (0, (1, 1)), (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (8, 2)))
"""A dash pattern for each colour, so that lines can be told apart without it."""


def use_style() -> None:
    """Give every figure from here on the book's style, on a light ground of its own that dark pages do not swallow."""
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
            "grid.color": "#e0e0e0",
            "legend.frameon": False,
            "lines.linewidth": 1.8,
        }
    )


def styles(names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return a colour and a dash pattern for each name, the same wherever the same names are given in the same order.

    >>> styles(["single_task", "multitask"])["multitask"]
    {'color': '#0072B2', 'linestyle': '--'}
    """
    pairs = cycle(zip(COLOURS, DASHES, strict=True))
    return {name: {"color": colour, "linestyle": dashes} for name, (colour, dashes) in zip(names, pairs, strict=False)}


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

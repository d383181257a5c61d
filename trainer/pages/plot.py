"""The look of a plot, as SVG text. Colours differ in lightness, too, so that a gray print is readable."""

from __future__ import annotations

import io
from typing import Any

from matplotlib.figure import Figure

DARK, LIGHT, MUTED, WARN = "#1f4e79", "#9cc3e5", "#8a8a8a", "#c8553d"
STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#666666",
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "legend.frameon": False,
    "svg.fonttype": "path",
    "svg.hashsalt": "edge",
}


def svg(figure: Figure) -> str:
    """A figure as SVG text that is the same for the same data."""
    out = io.StringIO()
    figure.savefig(out, format="svg", bbox_inches="tight", metadata={"Date": None, "Creator": None})
    return out.getvalue()

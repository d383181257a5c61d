"""Plots of the data report, as SVG text. Colours differ in lightness, too: a gray print is readable."""

from __future__ import annotations

from collections import Counter

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure as Canvas

from trainer.data.examine import Examined
from trainer.data.shortcuts import Figure
from trainer.data.tables import split_names
from trainer.pages.plot import MUTED, STYLE, WARN, svg

SPLITS = ("#1f4e79", "#6fa3cf", "#c9ddef", "#8a8a8a", "#cccccc")
CLASSES = ("#1f4e79", "#c8553d", "#4f9d69", "#b08bbb", "#d9a441", "#5b6673", "#7fc7c0", "#8c4b2f")


def counts(data: Examined) -> str:
    """Images of each class, stacked by split."""
    classes = sorted({(record.modality, record.label) for record in data.records})
    names = split_names(data.records)
    held = Counter((record.modality, record.label, record.split) for record in data.records)
    with mpl.rc_context(STYLE):
        canvas = Canvas((7.4, 0.3 * len(classes) + 0.9), layout="constrained")
        axes = canvas.add_subplot()
        start = np.zeros(len(classes))
        for name, colour in zip(names, SPLITS, strict=False):
            width = np.array([held[(*each, name)] for each in classes])
            axes.barh(range(len(classes)), width, left=start, color=colour, label=name, height=0.66)
            start += width
        for row, total in enumerate(start):
            axes.text(total, row, f"  {total:.0f}", va="center", color="#444444")
        axes.set_yticks(range(len(classes)), [label for _, label in classes])
        axes.invert_yaxis()
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel("images")
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.0 + 0.6 / len(classes)), ncols=len(names))
        axes.margins(x=0.09)
        return svg(canvas)


def group_sizes(data: Examined) -> str:
    """How many images the groups have."""
    sizes = np.array(list(Counter(record.group for record in data.records).values()))
    with mpl.rc_context(STYLE):
        canvas = Canvas((7.4, 2.1), layout="constrained")
        axes = canvas.add_subplot()
        edges = np.arange(0.5, min(sizes.max(), 30) + 1.5)
        axes.hist(np.minimum(sizes, 30), bins=edges.tolist(), color=SPLITS[0], rwidth=0.85)
        axes.set(xlabel="images of a group" + (" (30: or more)" if sizes.max() > 30 else ""), ylabel="groups")
        return svg(canvas)


def probes(data: Examined) -> str:
    """Balanced accuracy of each probe with its interval, and where guessing is."""
    rows: list[tuple[str, Figure]] = []
    for modality, each in data.probes.items():
        rows += [
            (f"{modality}: {what}", figure)
            for what, figure in (
                ("the class", each.label),
                ("the class, on val", each.transfer),
                ("the source", each.source),
            )
            if figure is not None
        ]
    with mpl.rc_context(STYLE):
        canvas = Canvas((7.4, 0.34 * len(rows) + 0.9), layout="constrained")
        axes = canvas.add_subplot()
        for row, (_, figure) in enumerate(rows):
            colour = WARN if figure.strength == "strong" else SPLITS[0]
            axes.plot(
                [figure.low, figure.high], [row, row], color=colour, lw=2.4, alpha=0.45, solid_capstyle="butt"
            )
            axes.plot([figure.value], [row], "o", color=colour, ms=6)
            axes.plot([figure.chance] * 2, [row - 0.32, row + 0.32], color=MUTED, lw=1.4)
            axes.text(1.015, row, f"{figure.value:.2f}", va="center", transform=axes.get_yaxis_transform())
        axes.set_yticks(range(len(rows)), [name for name, _ in rows])
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_xlim(0, 1)
        axes.grid(axis="x", color="#dddddd", lw=0.6)
        axes.set_axisbelow(True)
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel("balanced accuracy from brightness, border and sharpness alone (gray line: guessing)")
        return svg(canvas)


def brightness(data: Examined) -> str:
    """How bright the training images of each class are: what the probe sees first."""
    modalities = list(data.probes)
    with mpl.rc_context(STYLE):
        canvas = Canvas((7.4, 2.3 * -(-len(modalities) // 3)), layout="constrained")
        for place, modality in enumerate(modalities):
            axes = canvas.add_subplot(-(-len(modalities) // 3), min(3, len(modalities)), place + 1)
            rows = data.probed(modality)
            labels = sorted({data.usable[row].label for row in rows})
            for label, colour in zip(labels, CLASSES * 9, strict=False):
                levels = [data.brightness[row] for row in rows if data.usable[row].label == label]
                density, edges = np.histogram(levels, bins=24, range=(0, 255), density=True)
                axes.stairs(density, edges, color=colour, lw=1.6, label=label)
            axes.set_title(modality)
            axes.set_yticks([])
            axes.set_xlabel("mean gray level")
            axes.legend(fontsize=7, handlelength=1.2)
        return svg(canvas)

"""The table as one self-contained page with plots: accuracy against epsilon, and all rows with intervals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from trainer.comparison import report, summary
from trainer.comparison.answers import MEAN
from trainer.comparison.results import Result
from trainer.comparison.summary import Difference, Row
from trainer.pages.parts import bullets, document, figure, paragraph, table
from trainer.pages.plot import DARK, LIGHT, MUTED, STYLE, WARN, svg

NO_PRIVACY = 24.0
"""Where on the axis of epsilon the rows without privacy stand."""
COLOURS = {
    "ours": DARK,
    "published": WARN,
    "paper": "#b08a2e",
    "no privacy": MUTED,
    "ablation": LIGHT,
    "probe": "#444444",
}


def page(rows: Sequence[Row], gone: Sequence[Difference], found: Sequence[Result]) -> str:
    """HTML of the whole comparison."""
    return document("Comparison of recipes", _body(rows, gone, found))


def _body(rows: Sequence[Row], gone: Sequence[Difference], found: Sequence[Result]) -> Iterator[str]:
    names = summary.headline_names(rows)
    yield "<header><h1>Comparison of recipes</h1></header><main>"
    yield "".join(paragraph(each) for each in report.about(found, rows))
    yield paragraph(report.NOTE, "small")
    yield paragraph(report.SEARCH)
    if found:
        yield "<h2>Accuracy against epsilon</h2>"
        yield figure(
            against_epsilon(rows),
            "Mean within-modality balanced accuracy against epsilon",
            "Mean of the balanced accuracies within each modality, with 95 % intervals over groups of "
            "patients. The dashed line is what brightness and sharpness alone reach without privacy.",
        )
        yield figure(every_row(rows), "All rows with intervals", "All rows; whiskers are 95 % intervals.")
    yield "<h2>All figures</h2>"
    yield table(report.header(names), [report.cells(row, names) for row in rows])
    if gone:
        yield "<h2>Differences</h2>"
        yield table(
            ("difference", *(report.heading(name) for name in names)),
            [
                (
                    each.name,
                    *(report.signed(each.figures[n]) if n in each.figures else "-" for n in names),
                )
                for each in gone
            ],
        )
    if report.gaps(rows):
        yield "<h2>Missing</h2>" + bullets(report.gaps(rows))
    yield "<h2>Recipes</h2>"
    yield bullets(report.recipes(rows))
    yield "</main>"


def against_epsilon(rows: Sequence[Row]) -> str:
    """Accuracy against epsilon, as SVG: ours as a line, the others as points, the probe as a level."""
    with mpl.rc_context(STYLE):
        canvas = Canvas((7.4, 4.0), layout="constrained")
        axes = canvas.add_subplot()
        ours: list[tuple[float, float]] = []
        labels: list[tuple[float, float, str, str]] = []
        shift = 0
        for row in rows:
            if MEAN not in row.figures or row.recipe.family == "ablation":
                continue
            found, colour = row.figures[MEAN], COLOURS[row.recipe.family]
            if row.recipe.family == "probe":
                axes.axhline(found.value, color=colour, ls="--", lw=1)
                axes.annotate(
                    "shortcut probe", (11, found.value), (0, 3), textcoords="offset points", fontsize=7
                )
                continue
            at = row.recipe.epsilon or NO_PRIVACY
            if row.recipe.family == "ours" and row.recipe.epsilon:
                ours.append((at, found.value))
            else:
                # Side by side where several stand at one epsilon.
                shift += 1
                at *= 1.06 ** (shift % 5 - 2)
            axes.plot([at, at], [found.low, found.high], color=colour, lw=2, alpha=0.45)
            axes.plot([at], [found.value], "o", color=colour, ms=5.5)
            labels.append((found.value, at, row.recipe.title, colour))
        _label(axes, labels)
        ours.sort()
        axes.plot([x for x, _ in ours], [y for _, y in ours], color=DARK, lw=1.4)
        axes.set_xscale("log")
        ticks = [1, 2, 5, 8, NO_PRIVACY]
        axes.set_xticks(ticks, ["1", "2", "5", "8", "no DP"])
        axes.minorticks_off()
        axes.set_xlim(0.8, 48)
        axes.set_xlabel("epsilon")
        axes.set_ylabel("mean balanced accuracy")
        axes.grid(axis="y", color="#dddddd", lw=0.6)
        return svg(canvas)


def _label(axes: Axes, labels: list[tuple[float, float, str, str]]) -> None:
    """Names beside points (height, epsilon, name, colour), moved up where two would lie on each other."""
    low, high = axes.get_ylim()
    line, last = (high - low) / 30, -1.0
    for value, at, name, colour in sorted(labels):
        last = max(value, last + line)
        axes.annotate(name, (at * 1.05, last), va="center", fontsize=7, color=colour)


def every_row(rows: Sequence[Row]) -> str:
    """All rows that have a result, from top to bottom, as SVG."""
    there = [row for row in rows if MEAN in row.figures]
    with mpl.rc_context(STYLE):
        canvas = Canvas((7.4, 0.3 * len(there) + 0.9), layout="constrained")
        axes = canvas.add_subplot()
        for place, row in enumerate(there):
            found, colour = row.figures[MEAN], COLOURS[row.recipe.family]
            axes.plot([found.low, found.high], [place, place], color=colour, lw=2.2, alpha=0.5)
            axes.plot([found.value], [place], "o", color=colour, ms=5.5)
        names = [
            row.recipe.title
            + ("" if row.recipe.epsilon is None else f", ε = {row.recipe.epsilon:g}")
            + (" *" if row.gpu.startswith(("NOT", "QUICK")) else "")
            for row in there
        ]
        axes.set_yticks(range(len(there)), names)
        axes.set_ylim(len(there) - 0.4, -0.6)
        axes.set_xlabel("mean balanced accuracy; * reduced to what a CPU can do")
        axes.grid(axis="x", color="#dddddd", lw=0.6)
        return svg(canvas)

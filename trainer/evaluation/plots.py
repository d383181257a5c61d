"""Plots of the report, as SVG text."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from trainer.evaluation.words import kind, name_of
from trainer.pages.plot import DARK, LIGHT, MUTED, STYLE, WARN, svg


def _axes(width: float, height: float, columns: int = 1) -> tuple[Figure, list[Axes]]:
    figure = Figure((width, height), layout="constrained")
    return figure, [figure.add_subplot(1, columns, 1 + column) for column in range(columns)]


def _forest(
    axes: Axes, names: list[str], parts: list[dict[str, Any]], key: str, colours: list[str] | None = None
) -> None:
    """Points with their intervals, from top to bottom."""
    for row, part in enumerate(parts):
        colour = colours[row] if colours else DARK
        value = part.get(key)
        if value is None:
            continue
        low, high = part[f"{key}_interval"]
        axes.plot([low, high], [row, row], color=colour, lw=2.2, alpha=0.45, solid_capstyle="butt")
        axes.plot([value], [row], "o", color=colour, ms=5.5, clip_on=False)
        axes.text(
            1.02, row, f"{value:.2f}", va="center", transform=axes.get_yaxis_transform(), color="#444444"
        )
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(axis="x", color="#dddddd", lw=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)


def sensitivities(result: dict[str, Any]) -> str:
    """Sensitivity and specificity of each class."""
    classes = [
        (label, part) for each in result["per_modality"].values() for label, part in each["per_class"].items()
    ]
    with mpl.rc_context(STYLE):
        figure, axes = _axes(7.4, 0.34 * len(classes) + 0.8, 2)
        names = [name_of(label).short for label, _ in classes]
        parts = [part for _, part in classes]
        for each, key in zip(axes, ("sensitivity", "specificity"), strict=True):
            _forest(each, names, parts, key)
            each.set_xlim(0, 1)
            each.set_title(key.capitalize())
        axes[1].set_yticklabels([])
        return svg(figure)


def modalities(result: dict[str, Any]) -> str:
    """Balanced accuracy of each modality beside its shortcut probe."""
    names, parts, colours = [], [], []
    for modality, part in result["per_modality"].items():
        names.append(f"{kind(result, modality)}, this model" + (" (few groups)" if part["evidence"] else ""))
        parts.append(part)
        colours.append(DARK)
        probe = result.get("shortcut", {}).get(modality, {})
        if isinstance(probe, dict) and "balanced_accuracy" in probe:
            names.append(f"{kind(result, modality)}, brightness and sharpness alone")
            parts.append(probe)
            colours.append(WARN)
    with mpl.rc_context(STYLE):
        figure, (axes,) = _axes(7.0, 0.34 * len(names) + 0.8)
        _forest(axes, names, parts, "balanced_accuracy", colours)
        axes.set_xlim(0, 1)
        axes.set_xlabel("balanced accuracy")
        return svg(figure)


def confusion(result: dict[str, Any]) -> str:
    """One matrix for each modality: rows are the truth; shade is the share of the row."""
    labels, counts = result["confusion"]["classes"], np.array(result["confusion"]["counts"])
    groups = [list(part["per_class"]) for part in result["per_modality"].values()]
    with mpl.rc_context({**STYLE, "axes.spines.bottom": False, "axes.spines.left": False}):
        figure, every = _axes(3.6 * len(groups), 3.3, len(groups))
        for axes, modality, group in zip(every, result["per_modality"], groups, strict=True):
            rows = [labels.index(label) for label in group]
            part = counts[np.ix_(rows, rows)]
            share = part / np.maximum(part.sum(1, keepdims=True), 1)
            axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
            for i, j in np.ndindex(*part.shape):
                colour = "white" if share[i, j] > 0.55 else "#222222"
                axes.text(
                    j, i, f"{part[i, j]}\n{100 * share[i, j]:.0f} %", ha="center", va="center", color=colour
                )
            names = [name_of(label).short.replace(" (", "\n(") for label in group]
            axes.set_xticks(range(len(rows)), names, rotation=35, ha="right")
            axes.set_yticks(range(len(rows)), names)
            axes.tick_params(length=0)
            axes.set_title(kind(result, modality))
            axes.set_xlabel("its answer")
        every[0].set_ylabel("truth")
        return svg(figure)


def sureness(result: dict[str, Any]) -> str:
    """Reliability, and accuracy against the share of images that get an answer."""
    with mpl.rc_context(STYLE):
        figure, (left, right) = _axes(7.4, 3.1, 2)
        left.plot([0, 1], [0, 1], "--", color=MUTED, lw=1)
        bins = result["reliability"]
        left.plot(
            [b["confidence"] for b in bins], [b["accuracy"] for b in bins], "o-", color=DARK, lw=1.2, ms=4.5
        )
        left.set(xlim=(0, 1), ylim=(0, 1), xlabel="how sure it says it is", ylabel="how often it is right")
        left.set_title("Calibration")
        curve = [point for point in result["abstention_curve"] if point["accuracy"] is not None]
        x = [point["coverage"] for point in curve]
        bands = np.array([point["accuracy_interval"] for point in curve])
        right.fill_between(x, bands[:, 0], bands[:, 1], color=LIGHT, alpha=0.5, lw=0)
        right.plot(x, [point["accuracy"] for point in curve], color=DARK, lw=1.6)
        shipped = (1 - result["abstained"], result["accuracy_where_labelled"])
        if shipped[1] is not None:  # None where nothing gets a label
            right.plot([shipped[0]], [shipped[1]], "D", color=WARN, ms=6)
            right.annotate("as shipped", shipped, (6, -12), textcoords="offset points")
        right.set(
            xlim=(1.02, min(x) - 0.02),
            xlabel="share of images that get an answer",
            ylabel="accuracy of the answers",
        )
        right.set_ylim(top=1.0)
        right.set_title("Abstention")
        return svg(figure)


def degraded(result: dict[str, Any]) -> str:
    """Mean balanced accuracy under each change of the images."""
    key = "mean_within_modality_balanced_accuracy"
    names = ["as they are", *result["degraded"]]
    parts = [result, *result["degraded"].values()]
    with mpl.rc_context(STYLE):
        figure, (axes,) = _axes(7.0, 0.28 * len(names) + 0.7)
        axes.axvline(result[key], color=MUTED, lw=0.8, ls="--")
        _forest(axes, names, parts, key, [WARN, *[DARK] * (len(names) - 1)])
        low = min(part[f"{key}_interval"][0] for part in parts)
        axes.set_xlim(min(0.5, low - 0.02), 1)
        axes.set_xlabel("mean within-modality balanced accuracy")
        return svg(figure)


def faithfulness(result: dict[str, Any]) -> str:
    """Deletion and insertion curves."""
    found = result["faithfulness"]
    with mpl.rc_context(STYLE):
        figure, every = _axes(7.4, 2.9, 2)
        for axes, game in zip(every, ("deletion", "insertion"), strict=True):
            axes.plot(
                found["fraction"], found[game]["curve_random"], "--", color=MUTED, label="regions at random"
            )
            axes.plot(found["fraction"], found[game]["curve"], color=DARK, lw=1.8, label="regions by its map")
            axes.set(
                xlim=(0, 1),
                ylim=(0, 1),
                xlabel=f"share of the image {'removed' if game == 'deletion' else 'shown'}",
            )
            axes.set_title(game.capitalize())
        every[0].set_ylabel("probability of its answer")
        every[0].legend(loc="upper right")
        return svg(figure)


def others(part: dict[str, Any], valid: dict[str, Any]) -> str:
    """Share of each kind of unintended image that gets no answer, above the share of valid ones."""
    kinds = sorted(part["per_kind"], key=lambda kind: float(part["per_kind"][kind]["abstained"]))
    names = [*kinds, "valid images (should be low)"]
    parts = [*(part["per_kind"][kind] for kind in kinds), valid]
    with mpl.rc_context(STYLE):
        figure, (axes,) = _axes(7.0, 0.27 * len(names) + 0.8)
        axes.axvline(0.95, color=MUTED, lw=0.8, ls="--")
        axes.axvline(0.05, color=WARN, lw=0.8, ls="--")
        _forest(axes, names, parts, "abstained", [*[DARK] * len(kinds), WARN])
        axes.set_xlim(-0.01, 1.01)
        axes.set_xlabel("share that gets no answer, judged by pixels alone")
        return svg(figure)

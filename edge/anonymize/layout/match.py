"""Whether a frame shows the screen that a template was learnt from. Pure; any doubt is a no.

What is compared is the static chrome outside the keep-regions. A pop-up that lies wholly inside a
keep-region touches none of it: that one is for the text detector, which looks at what is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.imaging.frames import Pixels, Region
from edge.imaging.layout_template import CELL, LayoutTemplate

Why = Literal[
    "matches",
    "no_template",
    "other_size",
    "other_brightness",
    "changed_patch",
    "changed_share",
    "ambiguous",
]


@dataclass(frozen=True)
class Confirmed:
    """A template whose signature was checked, and SHA-256 (32 bytes) of what was signed."""

    template: LayoutTemplate
    sha256: bytes


@dataclass(frozen=True)
class Decision:
    """Whether a frame has a template's layout, by which rule not, and what was measured."""

    why: Why
    drift: float = 0.0
    """Gray levels by which all of the chrome is brighter than the template's."""
    patch: int = 0
    """Cells of the largest connected change."""
    share: float = 0.0
    """Share of the chrome that differs."""

    @property
    def matches(self) -> bool:
        """Whether the template's keep-regions may be kept; else the frame is held, ``unknown_layout``."""
        return self.why == "matches"


def gray(frame: Pixels) -> NDArray[np.uint8]:
    """Luma, (rows, columns), of (rows, columns) or RGB (rows, columns, 3)."""
    return frame if frame.ndim == 2 else np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), np.uint8)


def cell_levels(luma: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Mean of each cell; a rest at the right and bottom that fills no cell is left out."""
    rows, columns = luma.shape[0] // CELL, luma.shape[1] // CELL
    whole = luma[: rows * CELL, : columns * CELL].astype(np.float32)
    return np.asarray(cv2.resize(whole, (columns, rows), interpolation=cv2.INTER_AREA), np.float32)


def matches(template: LayoutTemplate, frame: Pixels) -> Decision:
    """Compare a frame's chrome with a template's.

    Args:
        template: its shape, chrome and thresholds.
        frame: display values, (rows, columns) or RGB (rows, columns, 3), uint8.
    """
    if frame.shape[:2] != (template.rows, template.columns):
        return Decision("other_size")
    limits, chrome = template.thresholds, template.chrome_mask()
    change = cell_levels(gray(frame)) - template.chrome_levels()
    drift = float(np.median(change[chrome]))
    if not abs(drift) <= limits.drift:
        return Decision("other_brightness", drift)
    differs = (~(np.abs(change - drift) <= limits.level) & chrome).astype(np.uint8)
    count, _, stats, _ = cv2.connectedComponentsWithStats(differs, connectivity=8)
    patch = int(stats[1:, cv2.CC_STAT_AREA].max()) if count > 1 else 0
    share = float(differs.sum() / chrome.sum())
    if patch > limits.patch:
        return Decision("changed_patch", drift, patch, share)
    return Decision("matches" if share <= limits.share else "changed_share", drift, patch, share)


@dataclass(frozen=True)
class Recognized:
    """The first template in the order of the settings that a frame has, and what all that it has keep."""

    layout: Confirmed
    regions: tuple[Region, ...]


def recognize(layouts: Iterable[Confirmed], frame: Pixels) -> tuple[Recognized | None, Decision]:
    """Which of ``layouts`` a frame has; None and how far the nearest is, see `matches`, if it has none.

    Where it has several, their chrome cannot tell them apart: then only what all of them keep is kept.
    """
    found: list[Confirmed] = []
    nearest = Decision("no_template")
    for layout in layouts:
        decision = matches(layout.template, frame)
        if decision.matches:
            found.append(layout)
        elif nearest.why in {"no_template", "other_size"} or decision.share < nearest.share:
            nearest = decision
    if not found:
        return None, nearest
    regions = found[0].template.regions()
    for layout in found[1:]:
        regions = tuple(_common(regions, layout.template.regions()))
    return (Recognized(found[0], regions), Decision("matches")) if regions else (None, Decision("ambiguous"))


def _common(some: Iterable[Region], others: Sequence[Region]) -> Iterator[Region]:
    for a in some:
        for b in others:
            left, top = max(a.left, b.left), max(a.top, b.top)
            right, bottom = min(a.right, b.right), min(a.bottom, b.bottom)
            if left < right and top < bottom:
                yield Region(left, top, right, bottom)

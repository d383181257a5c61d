"""What of a scanner's frame may be kept. Pure.

The acquisition's own regions, a signed layout's, or what the clinic says of the scanner; or the whole frame,
where a modality's images have no screen around them. Then nothing but detectors stands between a name and
the outside, so they must be proved to find every script that may be written there (see
`edge.anonymize.text.evidence`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from edge.anonymize.text.evidence import Trust
from edge.imaging.frames import Acquisition, Region
from edge.messages import SuppressReason
from edge.settings import Scanner

WHOLE_FRAME = frozenset({"CR", "CT", "DX", "IO", "MG", "MR", "NM", "PT", "PX", "RF", "XA"})
"""Modalities (PS3.3 C.7.3.1.1.1) whose images are the acquisition itself, without a screen around it."""
Keeps = Callable[[Acquisition, int, int], tuple[Region, ...] | SuppressReason]
"""What of an image of so many rows and columns may be kept; `kept_regions` by all that the clinic says."""
_ULTRASOUND = frozenset({"US", "IVUS"})
"""Modalities that show no face, and a screen around the image."""
_ALL = 0.95
"""Regions that leave less than a twentieth outside keep no name out: they are the whole frame."""


def kept_regions(
    acquisition: Acquisition, rows: int, columns: int, trust: Trust, scanners: Sequence[Scanner] = ()
) -> tuple[Region, ...] | SuppressReason:
    """What of a frame may be kept, or why nothing may: its layout is not known, or a script not proved.

    Args:
        acquisition: what the header, or a signed layout, says about the image.
        rows: height of the frame, in pixels.
        columns: width of the frame, in pixels.
        trust: whether detectors may decide over a whole frame.
        scanners: what the clinic says of its scanners; of several that fit all must hold.
    """
    if acquisition.secondary:
        return "unknown_layout"
    whole = Region(0, 0, columns, rows)
    said = [_inside(scanner, rows, columns) for scanner in scanners if _fits(scanner, acquisition)]
    kept: tuple[Region, ...] = acquisition.regions
    # No word about a scanner opens what may show a face: photographs, endoscopy, whatever else there is.
    opened = WHOLE_FRAME | _ULTRASOUND if said else WHOLE_FRAME
    if not kept and acquisition.modality in opened:
        kept = (whole,)
    for limit in (whole, *said):
        kept = tuple(both for region in kept if (both := _common(region, limit)) is not None)
    if not kept:
        return "unknown_layout"
    alone = _share(kept, rows, columns) > _ALL
    return "unproved_script" if alone and not trust.covers(acquisition.scripts) else kept


def _fits(scanner: Scanner, acquisition: Acquisition) -> bool:
    texts = ((scanner.manufacturer, acquisition.manufacturer), (scanner.model, acquisition.model_name))
    return all(said.casefold().split() == text.casefold().split() for said, text in texts)


def _inside(scanner: Scanner, rows: int, columns: int) -> Region:
    left, top, right, bottom = scanner.keep
    return Region(
        int(np.ceil(left * columns)), int(np.ceil(top * rows)), int(right * columns), int(bottom * rows)
    )


def _common(one: Region, two: Region) -> Region | None:
    left, top = max(one.left, two.left), max(one.top, two.top)
    right, bottom = min(one.right, two.right), min(one.bottom, two.bottom)
    return Region(left, top, right, bottom) if left < right and top < bottom else None


def _share(regions: tuple[Region, ...], rows: int, columns: int) -> float:
    kept = np.zeros((rows, columns), bool)
    for region in regions:
        kept[region.top : region.bottom, region.left : region.right] = True
    return float(kept.mean())

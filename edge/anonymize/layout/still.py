"""Pictures without a DICOM header from a watched folder: what they show is what the folder's setting says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from edge.anonymize.layout.match import Confirmed, recognize
from edge.imaging.frames import Acquisition, Pixels, Region
from edge.settings import Source

_NOTHING = (Region(0, 0, 0, 0),)


def still_of(source: Source, layouts: Callable[[], Sequence[Confirmed]]) -> Callable[[Pixels], Acquisition]:
    """What one picture of ``source`` shows. If that has templates, nothing of another layout is kept.

    Args:
        source: a watched folder.
        layouts: the templates that count now.
    """
    plain = Acquisition(modality=source.modality, body_part=source.body_part)

    def describe(pixels: Pixels) -> Acquisition:
        if not source.layouts:
            return plain
        known, _ = recognize(layouts(), pixels)
        return replace(plain, regions=_NOTHING if known is None else known.regions)

    return describe

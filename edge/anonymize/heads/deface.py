"""The face of a head in CT: where it is cut off, and the proof that it is gone."""

from __future__ import annotations

from collections.abc import Sequence

from edge.anonymize.faces.finder import FaceFinder
from edge.anonymize.heads import cavity, cut, render
from edge.anonymize.heads.cut import Cut
from edge.anonymize.heads.grid import NoVolumeError, Slice, assemble


def deface(slices: Sequence[Slice], faces: FaceFinder) -> Cut:
    """The cut that removes the face of a head and leaves its brain.

    Args:
        slices: all of a series, `Slice.shrunk`.
        faces: looks at the head as it is after the cut; it must find nothing.

    Raises:
        NoVolumeError: no volume, no cranial cavity in it, or a face that the cut would leave.
        DetectorUnavailable: the detector failed.
    """
    volume = assemble(slices)
    planned = cut.plan(volume, cavity.find(volume))
    for picture in render.views(cut.applied(volume, planned)):
        if faces.find(picture, max(picture.shape)):
            raise NoVolumeError("a face is left")
    return planned

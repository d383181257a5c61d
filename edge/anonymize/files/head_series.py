"""The series that a slice of a head belongs to: read from the slice's folder, to find where its face is."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from edge.anonymize.faces.finder import FaceFinder
from edge.anonymize.files import original, stored
from edge.anonymize.files.report import FileHeld
from edge.anonymize.heads import judge
from edge.anonymize.heads.cut import Cut
from edge.anonymize.heads.deface import deface
from edge.anonymize.heads.grid import AIR, NoVolumeError, Slice
from edge.anonymize.heads.planes import frame_steps, is_volume


class HeadSeries:
    """Plans the cut of one series at a time, and remembers the last.

    Args:
        faces: see `deface`.
        most_bytes: largest file that is read.
        beat: called from time to time.
    """

    def __init__(self, faces: FaceFinder, most_bytes: int, beat: Callable[[], None]) -> None:
        self._faces = faces
        self._most = most_bytes
        self._beat = beat
        self._folder: tuple[Path, dict[str, list[Path]]] | None = None
        self._planned: tuple[tuple[Path, str], Cut | None, frozenset[Path]] | None = None

    def cut(self, path: Path, header: Dataset, frames: int) -> Cut:
        """Where the face of the head is cut off, of which a file shows a part.

        Args:
            path: of the file. If it holds one frame, the others of its series lie in the same folder.
            header: its data set.
            frames: how many it has.

        Raises:
            FileHeld: ``head_not_defaced``: no CT, not the whole series, or a face would be left.
            DetectorUnavailable: the face detector failed.
        """
        if not judge.is_ct(header):
            raise FileHeld(judge.NOT_DEFACED)
        if frames > 1:
            planned = self._plan(lambda: self._slices(header, frames))
        else:
            planned = self._of_series(path, str(header.get("SeriesInstanceUID", "")))
        if planned is None:
            raise FileHeld(judge.NOT_DEFACED)
        return planned

    def _of_series(self, path: Path, series: str) -> Cut | None:
        key = (path.parent, series)
        if self._planned is None or self._planned[0] != key:
            paths = self._series(path.parent).get(series, [])
            planned = self._plan(lambda: self._read(paths))
            self._planned = (key, planned, frozenset(paths))
        _, planned, paths_used = self._planned
        return planned if path in paths_used else None

    def _plan(self, slices: Callable[[], Iterator[Slice]]) -> Cut | None:
        try:
            return deface(list(slices()), self._faces)
        except (NoVolumeError, stored.UnsupportedPixelsError, FileHeld, OSError):
            return None

    def _series(self, folder: Path) -> dict[str, list[Path]]:
        """Files of a folder by Series Instance UID; those that cannot be read are missing from theirs."""
        if self._folder is None or self._folder[0] != folder:
            found: dict[str, list[Path]] = {}
            for path in sorted(folder.iterdir()):
                series = _series_uid(path)
                if series:
                    found.setdefault(series, []).append(path)
                self._beat()
            self._folder = (folder, found)
        return self._folder[1]

    def _read(self, paths: list[Path]) -> Iterator[Slice]:
        for path in paths:
            with original.opened(path) as opened:
                header = pydicom.dcmread(io.BytesIO(opened.read(self._most)), force=True)
            if is_volume(header):  # a localizer may be of the series
                yield from self._slices(header, int(header.get("NumberOfFrames", 1)))
            self._beat()

    def _slices(self, header: Dataset, frames: int) -> Iterator[Slice]:
        for number, values in enumerate(stored.Stored(header, frames).frames()):
            where = frame_steps(header, number)
            if where is None or values.ndim != 2:
                raise NoVolumeError("a slice without a place")
            slope, intercept = judge.rescale(header, number)
            yield Slice(*where, (values * slope + intercept).astype(np.float32)).shrunk()
            self._beat()


def _series_uid(path: Path) -> str:
    try:
        with original.opened(path) as opened, os.fdopen(os.dup(opened.fd), "rb") as file:
            wanted = pydicom.dcmread(
                file, force=True, stop_before_pixels=True, specific_tags=["SeriesInstanceUID"]
            )
            return str(wanted.get("SeriesInstanceUID", ""))
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001  # whatever lies there is no slice of the series
        return ""


def remove_face(frame: NDArray[np.generic], header: Dataset, number: int, cut: Cut, bits: int) -> None:
    """Overwrite what the cut removes with air, in place.

    Args:
        frame: stored values (rows, columns) of frame ``number`` (from 0).
        header: the object's.
        number: see there.
        cut: of its series.
        bits: Bits Stored.

    Raises:
        FileHeld: the frame has no place in the patient.
    """
    where = frame_steps(header, number)
    if where is None or frame.ndim != 2:
        raise FileHeld(judge.NOT_DEFACED)
    slope, intercept = judge.rescale(header, number)
    signed = frame.dtype.kind == "i"
    least, most = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    air = min(max(round((AIR - intercept) / slope), least), most)
    frame[cut.removes(*where, (frame.shape[0], frame.shape[1]))] = air

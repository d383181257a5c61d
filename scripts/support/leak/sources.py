"""Real scanner images that text is pasted into, and real objects that names are planted into."""

from __future__ import annotations

import csv
import zlib
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.imaging import dicom
from edge.imaging.decoded import DecodeLimits

Picture = NDArray[np.uint8]
_ULTRASOUND = {
    "dicom/files/pydicom_examples_jpeg2k.dcm": (0.05, 0.24, 0.95, 0.69),
    "dicom/files/pydicom_OBXXXX1A_rle.dcm": (0.35, 0.12, 0.95, 0.75),
    "dicom/files/deiddata_GREYSCALE_IMAGE.dcm": (0.12, 0.12, 0.86, 0.9),
}
"""The acquisition itself, without the screen's own text: left, top, right, bottom, in shares of the frame."""
_SLICES = 180
"""Only three ultrasound images are there: half of the screens show a slice, so that sources are many."""


class NoDataError(Exception):
    """The real images are not there. The message says where they were looked for."""


def images(data: Path, *, tune: bool = False) -> dict[str, list[str]]:
    """Names of images by kind, as `screens.Layout.shows` calls them.

    Args:
        data: EDGE_DATA.
        tune: the quarter of them by which rules are chosen, instead of those that judge. The few
            ultrasound images are in both.

    Raises:
        NoDataError: no index.
    """
    try:
        with (data / "index.csv").open(encoding="utf-8", newline="") as file:
            files = [row["file"] for row in csv.DictReader(file) if _tunes(row["file"]) == tune]
    except OSError:
        raise NoDataError(f"{data / 'index.csv'}: not there; name the data in EDGE_DATA") from None
    folders = {"xray": "chest_xray/", "ct": "chest_ct/", "mri": "brain_mri/"}
    found = {kind: [name for name in files if name.startswith(start)] for kind, start in folders.items()}
    found["us"] = [*list(_ULTRASOUND) * (_SLICES // len(_ULTRASOUND)), *found["mri"][:_SLICES]]
    return found


def _tunes(name: str) -> bool:
    return zlib.crc32(name.encode()) % 4 == 0


def image(data: Path, name: str) -> Picture:
    """An image (rows, columns, 3), RGB."""
    if name not in _ULTRASOUND:
        return np.asarray(cv2.imread(str(data / name), cv2.IMREAD_COLOR)[:, :, ::-1])
    frame = dicom.decode((data / name).read_bytes(), DecodeLimits()).frames[0]
    left, top, right, bottom = _ULTRASOUND[name]
    rows, columns = frame.shape[:2]
    cut = frame[int(top * rows) : int(bottom * rows), int(left * columns) : int(right * columns)]
    return cut if cut.ndim == 3 else np.repeat(cut[:, :, None], 3, 2)


def objects(data: Path) -> list[str]:
    """Names of the DICOM files."""
    return sorted(str(path.relative_to(data)) for path in (data / "dicom" / "files").glob("*.dcm"))

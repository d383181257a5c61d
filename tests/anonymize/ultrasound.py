"""Ultrasound objects as scanners write them: a screen around the image region, and a name burned in."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

import cv2
import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import UID, ExplicitVRLittleEndian

ROWS, COLUMNS, FRAMES = 176, 224, 2
REGION = np.s_[24:168, 8:216]
"""The image region: rows, columns."""
TEXT = np.s_[86:100, 40:150]
"""Where a name is burned into the last frame, inside the region."""
MARGIN = 20
"""Pixels around `TEXT` that masking may take, too."""


def drawing() -> np.ndarray:
    """Gray frames (FRAMES, ROWS, COLUMNS): a pattern, a name on the screen, and one in the last image."""
    y, x = np.mgrid[:ROWS, :COLUMNS]
    frames = np.stack([80 + 40 * np.sin((x + 9 * i) / 30) + 30 * np.cos(y / 23) for i in range(FRAMES)])
    frames = frames.round().astype(np.uint8)
    for frame in frames:
        cv2.putText(frame, "QUIXANO", (20, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.45, 250, 1, cv2.LINE_AA)
    cv2.putText(frames[-1], "ZEBROWSKA", (42, 98), cv2.FONT_HERSHEY_SIMPLEX, 0.55, 250, 1, cv2.LINE_AA)
    return frames


def coloured() -> np.ndarray:
    """The drawing with a tint, (FRAMES, ROWS, COLUMNS, 3), RGB."""
    gray = drawing().astype(float)
    return np.stack([gray, gray * 0.8 + 10, gray * 0.6 + 30], axis=-1).round().astype(np.uint8)


def dataset(
    values: np.ndarray, photometric: str, *, bits: int, syntax: UID = ExplicitVRLittleEndian
) -> Dataset:
    """A multi-frame ultrasound object with native Pixel Data.

    Args:
        values: stored values, frames first; colours last, or in planes before the rows.
        photometric: of the values.
        bits: Bits Stored.
        syntax: a native one.
    """
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.3.1"
    meta.MediaStorageSOPInstanceUID = "1.2.3.4.5"
    meta.TransferSyntaxUID = syntax
    ds = Dataset()
    ds.file_meta, ds.preamble = meta, b"\0" * 128
    ds.SOPClassUID, ds.SOPInstanceUID = meta.MediaStorageSOPClassUID, "1.2.3.4.5"
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.Modality = "1.2.3.4", "1.2.3.4.1", "US"
    ds.PatientName, ds.PatientID = "ZEBROWSKA^ANNA", "MRN0047711"
    region = Dataset()
    region.RegionLocationMinX0, region.RegionLocationMinY0 = REGION[1].start, REGION[0].start
    region.RegionLocationMaxX1, region.RegionLocationMaxY1 = REGION[1].stop - 1, REGION[0].stop - 1
    ds.SequenceOfUltrasoundRegions = Sequence([region])
    ds.Rows, ds.Columns, ds.NumberOfFrames = ROWS, COLUMNS, len(values)
    colour = values.ndim == 4
    ds.SamplesPerPixel = 3 if colour else 1
    if colour:
        ds.PlanarConfiguration = 0 if values.shape[-1] == 3 else 1
    ds.PhotometricInterpretation = photometric
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = values.dtype.itemsize * 8, bits, bits - 1
    ds.PixelRepresentation = 1 if values.dtype.kind == "i" else 0
    order = "<" if syntax.is_little_endian else ">"
    ds.PixelData = values.astype(values.dtype.newbyteorder(order)).tobytes()
    ds["PixelData"].VR = "OB" if values.dtype.itemsize == 1 and syntax.is_little_endian else "OW"
    return ds


def encoded(ds: Dataset) -> bytes:
    """PS3.10 bytes."""
    buffer = io.BytesIO()
    ds.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def dcmtk(data: bytes, folder: Path, *command: str) -> bytes:
    """What a program of dcmtk makes of a file: ``command IN OUT``."""
    source, result = folder / "dcmtk-in.dcm", folder / "dcmtk-out.dcm"
    source.write_bytes(data)
    subprocess.run([*command, str(source), str(result)], check=True, capture_output=True)
    return result.read_bytes()

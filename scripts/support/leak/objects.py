"""Screens as the objects that scanners send (PS3.3, PS3.10), and the values that such a file stores."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence

from support.leak.canvas import Screen
from support.leak.screens import Layout
from support.leak.words import Patient

_CLASSES = {
    "CR": uid.ComputedRadiographyImageStorage,
    "CT": uid.CTImageStorage,
    "DX": uid.DigitalXRayImageStorageForPresentation,
    "MR": uid.MRImageStorage,
    "SC": uid.SecondaryCaptureImageStorage,
    "US": uid.UltrasoundImageStorage,
}
_CT_ZERO = 1024
"""Stored values of CT are signed; black is this far below 0."""


def encoded(screen: Screen, layout: Layout, patient: Patient, number: int) -> bytes:
    """A PS3.10 file of a screen; a PNG file where the layout has no modality.

    The header names the patient as a scanner's does: a tool that reads it may know what to look for.
    """
    if not layout.modality:
        return cv2.imencode(".png", np.ascontiguousarray(screen.pixels[:, :, ::-1]))[1].tobytes()
    ds = _identified(layout.modality, patient, number)
    if screen.region is not None:
        region = Dataset()
        region.RegionLocationMinX0, region.RegionLocationMinY0 = screen.region.left, screen.region.top
        region.RegionLocationMaxX1 = screen.region.right - 1
        region.RegionLocationMaxY1 = screen.region.bottom - 1
        ds.SequenceOfUltrasoundRegions = Sequence([region])
    _pixels(ds, screen.pixels, layout.modality)
    file = io.BytesIO()
    ds.save_as(file, enforce_file_format=True)
    return file.getvalue()


def _identified(modality: str, patient: Patient, number: int) -> Dataset:
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.SOPClassUID, ds.SOPInstanceUID = _CLASSES[modality], f"2.25.{number + 1}.3"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = f"2.25.{number + 1}.1", f"2.25.{number + 1}.2"
    ds.Modality = "CT" if modality == "SC" else modality
    ds.ImageType = ["DERIVED", "SECONDARY"] if modality == "SC" else ["ORIGINAL", "PRIMARY"]
    ds.PatientName, ds.PatientID = f"{patient.family}^{patient.given}", patient.number
    ds.PatientBirthDate = patient.born
    ds.BurnedInAnnotation = "NO"
    return ds


def _pixels(ds: Dataset, pixels: NDArray[np.uint8], modality: str) -> None:
    ds.Rows, ds.Columns = pixels.shape[:2]
    ds.PixelRepresentation = 0
    if modality in {"SC", "US"}:
        ds.SamplesPerPixel, ds.PlanarConfiguration, ds.PhotometricInterpretation = 3, 0, "RGB"
        ds.BitsAllocated, ds.BitsStored, ds.HighBit = 8, 8, 7
        data = pixels.tobytes()
    else:
        ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
        ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 12, 11
        gray = pixels.mean(axis=2)
        values = np.round(gray * (4095 / 255)).astype(np.int16)
        ds.WindowCenter, ds.WindowWidth = "2048", "4096"
        if modality == "CT":
            values -= _CT_ZERO
            ds.PixelRepresentation, ds.BitsStored, ds.HighBit = 1, 16, 15
            ds.RescaleSlope, ds.RescaleIntercept, ds.WindowCenter = "1", "0", str(2048 - _CT_ZERO)
        elif modality == "CR":
            values, ds.PhotometricInterpretation = 4095 - values, "MONOCHROME1"
        data = values.tobytes()
    ds.PixelData = data
    ds["PixelData"].VR = "OB" if ds.BitsAllocated == 8 else "OW"


def stored(data: bytes) -> NDArray[np.generic]:
    """Values of the pixels of such a file, (rows, columns[, 3])."""
    if data[:4] == b"\x89PNG":
        return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR))
    return np.asarray(pydicom.dcmread(io.BytesIO(data)).pixel_array)


def shown(values: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Stored values as a picture (rows, columns, 3), for looking at."""
    if values.dtype == np.uint8:
        picture = np.asarray(values, np.uint8)
    else:
        real = values.astype(np.float64)
        picture = np.asarray(255 * (real - real.min()) / max(1.0, np.ptp(real)), np.uint8)
    return picture if picture.ndim == 3 else np.repeat(picture[:, :, None], 3, 2)

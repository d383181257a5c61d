"""DICOM objects with names planted everywhere that a header has room."""

from __future__ import annotations

import io

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian

NAMES = [
    "ZEBROWSKA", "QUIXANO", "MRN0047711", "19610203", "SAINTVITUS", "OVERLAYMAN", "PRIVATEER", "DEEPNESTED",
    "CURVATURE", "KAROLINSKA", "METAFILE", "PREAMBLER", "CODEMEANER", "NOTESINUN", "FREETEXTER", "AEPLANTED",
]  # fmt: skip


def planted(pixels: np.ndarray, *, frames: int = 1) -> bytes:  # noqa: PLR0915  # one line a place
    """A CR object of 12 bits (PS3.10 bytes) whose header holds every one of NAMES."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.1"
    meta.MediaStorageSOPInstanceUID = "1.2.3.4.5"
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.SourceApplicationEntityTitle = "METAFILE"
    ds = Dataset()
    ds.file_meta = meta
    ds.preamble = b"PREAMBLER".ljust(128, b"\0")
    ds.SOPClassUID, ds.SOPInstanceUID = meta.MediaStorageSOPClassUID, "1.2.3.4.5"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = "1.2.3.4", "1.2.3.4.1"
    ds.FrameOfReferenceUID = "1.2.3.9"
    ds.Modality, ds.BodyPartExamined, ds.ViewPosition = "CR", "CHEST", "PA"
    ds.PatientName, ds.PatientID = "ZEBROWSKA^ANNA", "MRN0047711"
    ds.PatientBirthDate, ds.PatientSex, ds.PatientAge = "19610203", "F", "061Y"
    ds.ReferringPhysicianName, ds.InstitutionName = "QUIXANO^DON", "SAINTVITUS CLINIC"
    ds.AccessionNumber, ds.StudyID, ds.StationName = "MRN0047711", "1", "SAINTVITUS"
    ds.StudyDate, ds.SeriesDate, ds.StudyTime = "20220301", "20220303", "101500"
    ds.AcquisitionDateTime = "20220303101500.000000"
    ds.StudyDescription = "chest of Zebrowska"
    ds.Manufacturer, ds.ConvolutionKernel = "FREETEXTER inc", "ZEBROWSKA"
    ds.ProtocolName, ds.ImageComments = "FREETEXTER", "seen by QUIXANO, born 19610203"
    ds.ScheduledStationAETitle = "AEPLANTED"
    ds.Laterality, ds.ImageType = "ZEBROWSKA", ["ORIGINAL", "PRIMARY"]
    ds.WindowCenter, ds.WindowWidth = "2048", "4096"
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "T-D3000", "SRT", "CODEMEANER"
    local = Dataset()
    local.CodeValue, local.CodingSchemeDesignator, local.CodeMeaning = "KAROLINSKA", "99LOCAL", "KAROLINSKA"
    ds.AnatomicRegionSequence = Sequence([code, local])
    inner = Dataset()
    inner.PatientName = "DEEPNESTED^EVA"
    inner.ReferencedSOPInstanceUID = "1.2.3.4.6"
    inner.TextValue = "DEEPNESTED"
    middle = Dataset()
    middle.ReferencedInstanceSequence = Sequence([inner])
    middle.add_new(0x00091001, "LO", "PRIVATEER")
    ds.SourceImageSequence = Sequence([middle])
    ds.add_new(0x00090010, "LO", "PRIVATEER 1.0")
    ds.add_new(0x00091010, "UN", b"PRIVATEER")
    ds.add_new(0x60003000, "OW", b"OVERLAYMAN" * 4)
    ds.add_new(0x60000022, "LO", "OVERLAYMAN")
    ds.add_new(0x50000030, "SH", "CURVATURE")
    ds.add_new(0x00420011, "OB", b"NOTESINUN ")
    ds.add_new(0x00189999, "UN", b"NOTESINUN ")
    ds.BurnedInAnnotation = "NO"
    rows, columns = pixels.shape
    ds.Rows, ds.Columns, ds.SamplesPerPixel = rows, columns, 1
    ds.PhotometricInterpretation, ds.PixelRepresentation = "MONOCHROME2", 0
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 12, 11
    stored = (pixels.astype(np.uint16) << 4) | (pixels >> 4)
    if frames > 1:
        ds.NumberOfFrames = frames
        stored = np.stack([stored + i for i in range(frames)])
    ds.PixelData = stored.tobytes()
    buffer = io.BytesIO()
    ds.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()

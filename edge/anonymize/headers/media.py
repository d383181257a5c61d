"""Files by PS3.10: preamble, File Meta Information and names that tell nothing of the original.

The original's preamble, AE titles, private information and implementation names are not copied:
everything is made anew (PS3.15 E.1.1, item 7).
"""

from __future__ import annotations

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_file_meta_info
from pydicom.uid import UID, ExplicitVRLittleEndian

from edge.anonymize.headers.encoded import parts

IMPLEMENTATION = UID("2.25.302385391843120127634129411184713904921")
"""Implementation Class UID of this product: a UUID made once."""
_NAME = "EDGE"
_PREAMBLE = bytes(128)
_COMPONENT = 8


def file_meta(dataset: Dataset, syntax: str = ExplicitVRLittleEndian) -> FileMetaDataset:
    """File Meta Information (PS3.10 7.1) for a cleaned data set, of which it repeats class and instance.

    Args:
        dataset: with SOP Class UID and SOP Instance UID.
        syntax: Transfer Syntax UID of the file; one with explicit VR.
    """
    return meta_of(dataset.SOPClassUID, dataset.SOPInstanceUID, syntax)


def meta_of(sop_class: str, instance: str, syntax: str = ExplicitVRLittleEndian) -> FileMetaDataset:
    """File Meta Information for an object of this SOP class and instance."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(sop_class)
    meta.MediaStorageSOPInstanceUID = UID(instance)
    meta.TransferSyntaxUID = UID(syntax)
    meta.ImplementationClassUID = IMPLEMENTATION
    meta.ImplementationVersionName = _NAME
    return meta


def encode_file(dataset: Dataset, syntax: str = ExplicitVRLittleEndian) -> bytes:
    """A PS3.10 file of a cleaned data set, with preamble and File Meta Information of our own.

    Args:
        dataset: Pixel Data, if any, as ``syntax`` wants it.
        syntax: as in `file_meta`.
    """
    return b"".join((head(file_meta(dataset, syntax)), *parts(dataset)))


def head(meta: FileMetaDataset) -> bytes:
    """Preamble, prefix and File Meta Information, encoded."""
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, False
    write_file_meta_info(buffer, meta, enforce_standard=True)
    return _PREAMBLE + b"DICM" + buffer.getvalue()


def file_id(name: str) -> tuple[str, ...]:
    """A File ID of PS3.10 8.2 from an opaque name of hexadecimal digits: components of 8 characters.

    A name with more than eight components, or with dots, is none that a DICOMDIR may hold.
    """
    plain = name.upper()
    return tuple(plain[i : i + _COMPONENT] for i in range(0, len(plain), _COMPONENT))

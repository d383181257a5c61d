"""The header profile in file mode: here the options of `profile_arguments` meet the room of headers."""

from __future__ import annotations

from collections.abc import Sequence

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from edge.anonymize.headers.clean import Options

_IMPLEMENTATION = "2.25.302385391843120127634129411184713904921"
"""Implementation Class UID of this product: a UUID made once."""


def options(names: Sequence[str]) -> Options:
    """The options of those names."""
    return Options(modified_dates="remove-dates" not in names)


def file_meta(dataset: Dataset) -> FileMetaDataset:
    """File Meta Information (PS3.10 7.1) of a copy in Explicit VR Little Endian."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(_IMPLEMENTATION)
    meta.ImplementationVersionName = "EDGE"
    return meta

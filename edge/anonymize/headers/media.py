"""Files by PS3.10: preamble, File Meta Information and names that tell nothing of the original.

The original's preamble, AE titles, private information and implementation names are not copied:
everything is made anew (PS3.15 E.1.1, item 7).
"""

from __future__ import annotations

import struct

from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from edge.anonymize.headers.encoded import encode, encoded_element, parts, raw_element, text_of

IMPLEMENTATION = UID("2.25.302385391843120127634129411184713904921")
"""Implementation Class UID of this product: a UUID made once."""
_NAME = "EDGE"
_PREAMBLE = bytes(128)
_COMPONENT = 8
_SOP_CLASS, _SOP_INSTANCE = 0x00080016, 0x00080018


def file_meta(dataset: Dataset, syntax: str = ExplicitVRLittleEndian) -> FileMetaDataset:
    """File Meta Information (PS3.10 7.1) for a cleaned data set, of which it repeats class and instance.

    Args:
        dataset: with SOP Class UID and SOP Instance UID.
        syntax: Transfer Syntax UID of the file; one with explicit VR.
    """
    return meta_of(str(dataset.SOPClassUID), str(dataset.SOPInstanceUID), syntax)


def meta_of(sop_class: str, instance: str, syntax: str = ExplicitVRLittleEndian) -> FileMetaDataset:
    """File Meta Information for an object of this SOP class and instance, with its group length."""
    meta = FileMetaDataset()
    for element in _elements(sop_class, instance, syntax):
        meta[element.tag] = element
    meta[0x00020000] = raw_element(0x00020000, "UL", struct.pack("<L", len(encode(meta))))
    return meta


def _elements(sop_class: str, instance: str, syntax: str) -> list[RawDataElement]:
    uids = {0x00020002: sop_class, 0x00020003: instance, 0x00020010: syntax, 0x00020012: IMPLEMENTATION}
    return [
        raw_element(0x00020001, "OB", b"\0\1"),
        *(raw_element(tag, "UI", uid.encode()) for tag, uid in uids.items()),
        raw_element(0x00020013, "SH", _NAME.encode()),
    ]


def encode_file(dataset: Dataset, syntax: str = ExplicitVRLittleEndian) -> bytes:
    """A PS3.10 file of a cleaned data set, with preamble and File Meta Information of our own.

    Args:
        dataset: Pixel Data, if any, as ``syntax`` wants it.
        syntax: as in `file_meta`.
    """
    sop_class, instance = (
        text_of(dataset.get_item(tag)).rstrip(" \0") for tag in (_SOP_CLASS, _SOP_INSTANCE)
    )
    body = b"".join(map(encoded_element, _elements(sop_class, instance, syntax)))
    length = encoded_element(raw_element(0x00020000, "UL", struct.pack("<L", len(body))))
    return b"".join((_PREAMBLE, b"DICM", length, body, *parts(dataset)))


def head(meta: FileMetaDataset) -> bytes:
    """Preamble, prefix and File Meta Information, encoded."""
    return _PREAMBLE + b"DICM" + encode(meta)


def file_id(name: str) -> tuple[str, ...]:
    """A File ID of PS3.10 8.2 from an opaque name of hexadecimal digits: components of 8 characters.

    A name with more than eight components, or with dots, is none that a DICOMDIR may hold.
    """
    plain = name.upper()
    return tuple(plain[i : i + _COMPONENT] for i in range(0, len(plain), _COMPONENT))

"""Elements in their encoded form (PS3.5 section 7): made and written without being parsed again."""

from __future__ import annotations

import struct
from functools import lru_cache
from operator import itemgetter
from typing import Any

from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import correct_ambiguous_vr_element, write_data_element
from pydicom.tag import BaseTag

LONG_LENGTH = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"})
"""VRs whose length field has 32 bits in Explicit VR (PS3.5 7.1.2)."""
_ITEM = b"\xfe\xff\x00\xe0"
_NATIVE = {"OB or OW": "OW"}
"""VR of native pixels that were encoded with Implicit VR (PS3.5 A.1)."""
_BY_TAG = itemgetter(0)
_UNDEFINED = 0xFFFFFFFF


def raw_element(tag: int, vr: str, value: bytes, *, little_endian: bool = True) -> RawDataElement:
    """An element with this encoded value, padded to even length."""
    if len(value) % 2:
        value += b"\0" if vr in {"UI", "OB", "UN"} else b" "
    return RawDataElement(BaseTag(tag), vr, len(value), value, 0, False, little_endian)


def encoded_element(element: RawDataElement) -> bytes:
    """An element of `raw_element` in Explicit VR Little Endian."""
    out: list[bytes] = []
    value = element.value or b""
    _write_header(out, element.tag, element.VR or "UN", len(value))
    return b"".join((*out, value))


def text_of(item: DataElement | RawDataElement) -> str:
    """A value as text, its values parted by backslashes; other scripts are not decoded."""
    value: Any = item.value
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, str):
        return value
    if hasattr(value, "__iter__") and not hasattr(value, "components"):
        return "\\".join(str(part) for part in value)
    return "" if value is None else str(value)


def encode(dataset: Dataset) -> bytes:
    """A data set in Explicit VR Little Endian.

    What is encoded so already is copied; pydicom encodes the rest.
    """
    return b"".join(parts(dataset))


def parts(dataset: Dataset) -> list[bytes]:
    """What `encode` gives, in pieces: pixels are large."""
    out: list[bytes] = []
    _write(out, dataset, dataset.get("SpecificCharacterSet", None) or "ISO_IR 6")
    return out


def _write(out: list[bytes], dataset: Dataset, character_set: Any) -> None:
    for tag, item in sorted(((int(tag), item) for tag, item in dataset.items()), key=_BY_TAG):
        if tag & 0xFFFF == 0 and tag >> 16 > 6:
            continue  # group lengths are retired (PS3.5 7.2)
        if isinstance(item, RawDataElement):
            vr = item.VR or vr_of(tag)
            vr = _NATIVE.get(vr, vr)
            if isinstance(item.value, bytes) and _is_plain(item, vr, len(item.value)):
                _write_header(out, tag, vr, len(item.value))
                out.append(item.value)
                continue
        element = dataset[tag]
        if element.VR == "SQ":
            _write_sequence(out, element, character_set)
            continue
        if len(element.VR) != 2:
            correct_ambiguous_vr_element(element, dataset, is_little_endian=True)
        buffer = DicomBytesIO()
        buffer.is_little_endian, buffer.is_implicit_VR = True, False
        write_data_element(buffer, element, character_set)
        out.append(buffer.getvalue())


@lru_cache(maxsize=8192)
def vr_of(tag: int) -> str:
    """VR of a public attribute (PS3.6), which may leave a choice as ``US or SS``; "" if it is not listed."""
    try:
        return dictionary_VR(tag)
    except KeyError:
        return ""


def _is_plain(item: RawDataElement, vr: str, size: int) -> bool:
    """Whether the value is encoded already as it is wanted."""
    if len(vr) != 2 or not item.is_little_endian or (vr == "SQ" and item.is_implicit_VR):
        return False
    return item.length != _UNDEFINED and size % 2 == 0 and (vr in LONG_LENGTH or size <= 0xFFFF)


def _write_sequence(out: list[bytes], element: DataElement, character_set: Any) -> None:
    inner: list[bytes] = []
    for item in element.value or []:
        content: list[bytes] = []
        _write(content, item, item.get("SpecificCharacterSet", None) or character_set)
        size = sum(map(len, content))
        inner += (_ITEM, struct.pack("<L", size), *content)
    _write_header(out, element.tag, "SQ", sum(map(len, inner)))
    out += inner


def _write_header(out: list[bytes], tag: int, vr: str, length: int) -> None:
    group, number = tag >> 16, tag & 0xFFFF
    if vr in LONG_LENGTH:
        out.append(struct.pack("<HH2sHL", group, number, vr.encode(), 0, length))
    else:
        out.append(struct.pack("<HH2sH", group, number, vr.encode(), length))

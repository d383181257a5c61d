"""Strings planted into encoded DICOM elements, and the search for them. Pure."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from pydicom.datadict import DicomDictionary
from pydicom.dataset import Dataset

WIDTHS = {"US": 2, "SS": 2, "AT": 4, "UL": 4, "SL": 4, "FL": 4, "FD": 8, "SV": 8, "UV": 8}
BULK = {"OB": 2, "OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8, "UN": 2}
LONG = {*BULK, "SQ", "SV", "UC", "UR", "UT", "UV"}
TEXT = ("AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT")
VRS = (*TEXT, *WIDTHS, *BULK)
_PIXELS = {"PixelData", "FloatPixelData", "DoubleFloatPixelData", "LUTData", "SOPClassUID"}
PUBLIC = sorted(
    (tag, entry[0])
    for tag, entry in DicomDictionary.items()
    if tag > 0x00080005 and tag & 0xFFFF and entry[4] not in _PIXELS and "LookupTableData" not in entry[4]
)
"""Tag and VR of the attributes of PS3.6 that a string is planted into: no pixels, no look-up tables."""
SEQUENCES = [tag for tag, vr in PUBLIC if vr == "SQ"]
SAFE_CREATORS = ("GEMS_ACQU_01", "SIEMENS MR HEADER", "Philips Imaging DD 001", "NQHeader",
                 "SIEMENS Ultrasound SC2000")  # fmt: skip
"""Of private blocks with attributes that PS3.15 Table E.3.10-1 holds to be safe."""
LETTERS = "BCDFGHJKLMNPQRSTVWXZ"


@dataclass(frozen=True)
class Script:
    """Letters of a Specific Character Set (PS3.3 C.12.1.1.2)."""

    charset: str
    codec: str
    letters: str


SCRIPTS = {
    "latin": Script("ISO_IR 100", "latin-1", "ÆÐÞØßÜÖÄÅÉ"),
    "cyrillic": Script("ISO_IR 144", "iso8859-5", "ЖЩЭЮЯФЦЧШЪ"),
    "greek": Script("ISO_IR 126", "iso8859-7", "ΔΘΛΞΠΣΦΨΩΓ"),
    "japanese, UTF-8": Script("ISO_IR 192", "utf-8", "山田太郎患者名前病"),
    "chinese, GB18030": Script("GB18030", "gb18030", "王小东患者姓名医院"),
    "japanese, ISO 2022": Script("\\ISO 2022 IR 87", "iso2022_jp", "山田太郎患者名前病"),
    "korean, ISO 2022": Script("\\ISO 2022 IR 149", "euc_kr", "김희중환자이름병원"),
    "japanese, JIS X 0201": Script("ISO_IR 13", "shift_jis", "ﾔﾏﾀﾞﾀﾛｳｶﾝｼﾞｬ"),
}


def encoded(tag: int, vr: str, value: bytes, *, implicit: bool = False) -> bytes:
    """An element as it is, whatever its value may be (PS3.5 7.1)."""
    value += b"\0" * (len(value) % 2)
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF)
    if implicit:
        return head + struct.pack("<L", len(value)) + value
    if vr in LONG:
        return head + vr.encode() + struct.pack("<HL", 0, len(value)) + value
    return head + vr.encode() + struct.pack("<H", len(value)) + value


def nested(tag: int, element: bytes, *, implicit: bool = False) -> bytes:
    """A sequence of one item that holds ``element``."""
    item = b"\xfe\xff\x00\xe0" + struct.pack("<L", len(element)) + element
    return encoded(tag, "SQ", item, implicit=implicit)


def padded(vr: str, value: bytes) -> bytes:
    """``value`` as long as its VR wants it."""
    width = WIDTHS.get(vr) or BULK.get(vr) or 2
    return value + (b" " if vr in TEXT else b"\0") * (-len(value) % width)


def forms(word: str, codec: str) -> set[bytes]:
    """The word in its own encoding and in those that a tool might have turned it into, upper case."""
    core = word.encode(codec).removeprefix(b"\x1b$B").removeprefix(b"\x1b$)C").removesuffix(b"\x1b(B")
    return {each.upper() for each in (core, *(word.encode(c) for c in ("utf-8", "utf-16-le", "utf-16-be")))}


def in_bytes(data: bytes, word: str, codec: str) -> bool:
    """Whether any form of the word stands anywhere in ``data``."""
    folded = data.upper()
    return any(form in folded for form in forms(word, codec))


def in_elements(dataset: Dataset, word: str) -> bool:
    """Whether any value at any depth, as pydicom reads it, holds the word."""
    return any(word.upper() in text.upper() for text in _texts(dataset))


def _texts(dataset: Dataset) -> Iterator[str]:
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value:
                yield from _texts(item)
        else:
            value = element.value
            yield value.decode("latin-1") if isinstance(value, bytes) else str(value)

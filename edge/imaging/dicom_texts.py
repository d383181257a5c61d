"""Every text of a DICOM data set, for the scripts that it is written in (PS3.5 6.1.2, 6.2)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from pydicom.charset import decode_bytes
from pydicom.datadict import dictionary_VR, private_dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement, convert_raw_data_element
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.valuerep import PN_DELIMS, TEXT_VR_DELIMS, VR

from edge.imaging.scripts import UNKNOWN, codec, written_in

_CHARACTER_SET = 0x00080005
# AE and CS are of the default repertoire; what breaks it there tells what the device writes.
_TEXT = frozenset({"PN", "LO", "LT", "SH", "ST", "UC", "UT", "AE", "CS"})
_KNOWN = frozenset(map(str, VR))
# Bytes that are not of ASCII, and those that switch code (ISO/IEC 2022).
_FOREIGN = re.compile(rb"[\x0e\x0f\x1b\x80-\xff]")
# (FFFE,E000) and (FFFE,E0DD), which ends a sequence, in both byte orders (PS3.5 7.5).
_ITEM = (b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0", b"\xff\xfe\xe0\x00", b"\xff\xfe\xe0\xdd")
# Sequences within sequences. Real ones have a few; each level is copied once more while it is read.
_DEEPEST = 32


def scripts_of(header: Dataset) -> tuple[str, ...]:
    """Scripts beside Latin, sorted, in which any text stands, private ones and those of items as well.

    Items may declare a Specific Character Set of their own (PS3.3 C.12.1.1.2); each that is declared
    counts. A value that cannot be read gives "unknown", and so does a cut at 32 nested sequences. Elements
    of unknown meaning (VR UN that no dictionary knows, OB) are left out: bytes beyond ASCII there are
    mostly no text. The data set stays as it was: no element is converted in it, no pixel data read.
    """
    found: set[str] = set()
    texts: dict[tuple[str, ...], set[str]] = {}
    pending: list[tuple[Dataset, tuple[str, ...], int]] = [(header, (), 0)]
    while pending:
        dataset, terms, depth = pending.pop()
        try:
            terms = _declared(dataset, terms)
        except Exception:  # noqa: BLE001  parsers of foreign bytes raise anything
            found.add(UNKNOWN)
        here = texts.setdefault(terms, set())
        for element in dataset.values():
            try:
                items = _read(dataset, element, terms, here)
            except Exception:  # noqa: BLE001  as above
                found.add(UNKNOWN)
                continue
            if items and depth == _DEEPEST:
                found.add(UNKNOWN)
            elif items:
                pending.extend((item, terms, depth + 1) for item in items)
    return tuple(sorted(found.union(*(written_in(terms, here) for terms, here in texts.items()))))


def _declared(dataset: Dataset, inherited: tuple[str, ...]) -> tuple[str, ...]:
    element: Any = dataset.get_item(_CHARACTER_SET)
    if element is None:
        return inherited
    if isinstance(element, RawDataElement):
        return tuple((element.value or b"").decode("latin_1").split("\\"))
    return tuple(map(str, _many(element.value)))


def _read(
    dataset: Dataset, element: DataElement | RawDataElement, terms: tuple[str, ...], texts: set[str]
) -> Iterable[Dataset]:
    """Adds the element's texts; its items if it is a sequence."""
    if isinstance(element, DataElement):
        if element.VR in _TEXT:
            texts.update(map(str, _many(element.value)))
        return element.value or () if element.VR == "SQ" else ()
    representation = _representation(dataset, element)
    value = element.value
    if representation == "SQ":
        if not value:
            return ()
        if value[:4] not in _ITEM:
            raise ValueError("no items")  # pydicom would take any bytes for one
        items: Iterable[Dataset] = convert_raw_data_element(element._replace(VR="SQ"), ds=dataset).value
        return items
    if representation not in _TEXT and representation in _KNOWN:
        return ()
    if value is None and element.length:
        raise ValueError("left in the file")
    if value and _FOREIGN.search(value):
        if representation not in _TEXT:
            raise ValueError("no VR of PS3.5 6.2")
        texts.add(_decoded(value, representation, terms))
    return ()


def _decoded(value: bytes, representation: str, terms: tuple[str, ...]) -> str:
    codecs = [codec(term) for term in terms] or ["ascii"]
    if b"\x1b" not in value:
        return value.decode(codecs[0], "replace")
    return decode_bytes(value, codecs, PN_DELIMS | {0x3D} if representation == "PN" else TEXT_VR_DELIMS)


def _representation(dataset: Dataset, element: RawDataElement) -> str:
    """The VR; that of the dictionaries where none was written (implicit VR) or an unknown one (UN)."""
    if element.VR not in (None, "UN"):
        return str(element.VR)
    tag = element.tag
    try:
        if not tag.is_private:
            return dictionary_VR(tag)
        if tag.is_private_creator:
            return "LO"
        creator: Any = dataset.get_item(tag.group << 16 | tag.element >> 8)
        name = getattr(creator, "value", None)
        text = name.decode("latin_1") if isinstance(name, bytes) else str(name)
        return private_dictionary_VR(tag, text.strip(" \0"))
    except KeyError:
        return "UN"


def _many(value: object) -> list[object]:
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple, MultiValue)) else [value]

"""The header cases: a string planted by VR, place, depth and script into a real object's header.

Of the object stays all but its pixels, in whose place a small flat radiograph's stand: headers are on trial.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pydicom
from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset, write_file_meta_info

from support.leak import planting
from support.leak.text_cases import rounds

COUNT = 3024
ELEMENTS = ("own attribute", "attribute in another VR", "attribute of no edition", "private attribute",
            "private attribute of a safe block", "private creator")  # fmt: skip
ELSEWHERE = ("file name", "AE title", "file meta", "preamble", "trailing padding", "overlay")
PLACES = (*ELEMENTS, *ELEMENTS, *ELSEWHERE)
"""Elements come twice as often: VR and depth tell only of them."""
DEPTHS = (0, 1, 2, 3)
_CONTENT, _PRIVATE_SQ, _PADDING = 0x0040A730, 0x00091001, 0xFFFCFFFC
_AE = [tag for tag, vr in planting.PUBLIC if vr == "AE"]
_META_AE = (0x00020016, 0x00020017, 0x00020018)
_SIDE = 16


@dataclass(frozen=True)
class HeaderCase:
    """One string, and where it stands."""

    number: int
    source: str
    place: str
    vr: str
    depth: int
    script: str
    word: str
    named: bool
    """Whether it is the patient's name, too."""
    seed: int

    @property
    def codec(self) -> str:
        """How the word is encoded."""
        return planting.SCRIPTS[self.script].codec if self.script in planting.SCRIPTS else "ascii"

    @property
    def strata(self) -> dict[str, str]:
        """The case's place in the table."""
        inside = self.place in ELEMENTS and self.place != "private creator"
        return {
            "place": self.place,
            **({"VR": self.vr} if inside else {}),
            **({"depth": str(self.depth)} if self.place in ELEMENTS else {}),
            "script": self.script,
            "patient's name": "the same" if self.named else "another",
        }

    @property
    def file_name(self) -> str:
        """Name of the original."""
        return f"{self.word}.dcm" if self.place == "file name" else f"{self.number}.dcm"


def cases(sources: Sequence[str], count: int = COUNT, seed: int = 8) -> list[HeaderCase]:
    """The first ``count`` cases; any number of them is balanced, as `text_cases.rounds` says."""
    rng = np.random.default_rng(seed)
    names, places, vrs, depths, scripts, named = (
        rounds(values, np.random.default_rng(rng.integers(1 << 31)))
        for values in (sources, PLACES, planting.VRS, DEPTHS, ("ascii", *planting.SCRIPTS), (True, False))
    )
    result = []
    for number in range(count):
        place, vr, script, same = str(next(places)), str(next(vrs)), str(next(scripts)), bool(next(named))
        if place in {"AE title", "file meta", "preamble"}:
            script = "ascii"
        letters = planting.SCRIPTS[script].letters if script != "ascii" else planting.LETTERS
        length = int(rng.integers(4, 9) if script != "ascii" else rng.integers(8, 13))
        word = "".join(letters[i] for i in rng.integers(0, len(letters), length))
        # Bytes of a number that happen to be letters of another script are known only by the name.
        same = same or (vr in planting.WIDTHS and script != "ascii")
        result.append(
            HeaderCase(number, str(next(names)), place, vr, int(next(depths)), script, word, same,
                       int(rng.integers(1 << 31)))
        )  # fmt: skip
    return result


def original(case: HeaderCase, data: Path) -> bytes:
    """The file of a case."""
    rng = np.random.default_rng(case.seed)
    parts = dict(_base(str(data / case.source)))
    value = case.word.encode(case.codec)
    charset = planting.SCRIPTS[case.script].charset if case.script in planting.SCRIPTS else ""
    parts[0x00080005] = planting.encoded(0x00080005, "CS", charset.encode())
    if case.named:
        parts[0x00100010] = planting.encoded(0x00100010, "PN", value)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = uid.ComputedRadiographyImageStorage
    meta.MediaStorageSOPInstanceUID = "2.25.3"
    meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    meta.ImplementationClassUID = "2.25.4"
    preamble = b"\0" * 128
    if case.place in ELEMENTS:
        top, element = _element(case, value, rng)
        parts[top] = element
    elif case.place == "AE title":
        tag = _AE[int(rng.integers(len(_AE)))]
        parts[tag] = planting.encoded(tag, "AE", value)
    elif case.place == "file meta":
        tag = _META_AE[int(rng.integers(len(_META_AE)))]
        meta.add_new(tag, "AE", case.word)
    elif case.place == "preamble":
        preamble = value.ljust(128, b"\0")
    elif case.place == "trailing padding":
        parts[_PADDING] = planting.encoded(_PADDING, "OB", value)
    elif case.place == "overlay":
        parts[0x60003000] = planting.encoded(0x60003000, "OW", value)
        parts[0x60000022] = planting.encoded(0x60000022, "LO", value)
    head = DicomBytesIO()
    write_file_meta_info(head, meta)
    return preamble + b"DICM" + head.getvalue() + b"".join(parts[tag] for tag in sorted(parts))


def _element(case: HeaderCase, value: bytes, rng: np.random.Generator) -> tuple[int, bytes]:
    """The planted element in its sequences, and its tag at the top."""
    vr = case.vr
    creator: bytes | None = None
    if case.place == "own attribute":
        choices = [tag for tag, own in planting.PUBLIC if vr in own.split(" or ")] or [0x00189999]
    elif case.place == "attribute in another VR":
        choices = [tag for tag, own in planting.PUBLIC if own not in {vr, "SQ"}]
    elif case.place == "attribute of no edition":
        choices = [0x00189999, 0x00109A02, 0x0040FFFE]
    else:
        choices = [0x00091010, 0x00191020, 0x00431034, 0x00991001, 0x20011003, 0x7FE11001]
        creator = b"VENDOR 1.0"
        if case.place == "private attribute of a safe block":
            creator = planting.SAFE_CREATORS[int(rng.integers(len(planting.SAFE_CREATORS)))].encode()
        elif case.place == "private creator":
            creator, value, vr = value, b"1", "LO"
    tag = choices[int(rng.integers(len(choices)))]
    lead = b"seen by " if vr in {"LO", "LT", "SH", "ST", "UC", "UT"} and rng.random() < 0.5 else b""
    inner = b"" if creator is None else planting.encoded(tag & 0xFFFF0000 | 0x10, "LO", creator)
    inner += planting.encoded(tag, vr, planting.padded(vr, lead + value))
    for _ in range(case.depth):
        ways = [planting.SEQUENCES[int(rng.integers(len(planting.SEQUENCES)))], _CONTENT, _PRIVATE_SQ]
        tag = ways[int(rng.choice(3, p=(0.7, 0.2, 0.1)))]
        inner = planting.nested(tag, inner)
    return tag, inner


@lru_cache(maxsize=64)
def _base(path: str) -> tuple[tuple[int, bytes], ...]:
    """Elements of a real object by tag, encoded, as a small radiograph's."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds = pydicom.dcmread(path, force=True, stop_before_pixels=True)
        for keyword in ("SequenceOfUltrasoundRegions", "ConversionType", "NumberOfFrames"):
            if keyword in ds:
                del ds[keyword]
        for tag in [tag for tag in ds.keys() if tag.group in {0x0028, 0x0002} or tag.group >= 0x5000]:  # noqa: SIM118
            del ds[tag]
        ds.SOPClassUID, ds.SOPInstanceUID = uid.ComputedRadiographyImageStorage, "2.25.3"
        ds.StudyInstanceUID, ds.SeriesInstanceUID = "2.25.1", "2.25.2"
        ds.Modality, ds.ImageType = "CR", ["ORIGINAL", "PRIMARY"]
        ds.Rows = ds.Columns = _SIDE
        ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME2", 0
        ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 12, 11
        found = {int(tag): _encoded(ds, tag) for tag in ds.keys()}  # noqa: SIM118
        pixels = np.full((_SIDE, _SIDE), 1000, np.uint16).tobytes()
        found[0x7FE00010] = planting.encoded(0x7FE00010, "OW", pixels)
    return tuple((tag, element) for tag, element in found.items() if element)


def _encoded(ds: Dataset, tag: int) -> bytes:
    one = Dataset()
    out = DicomBytesIO()
    out.is_little_endian, out.is_implicit_VR = True, False
    try:
        one[tag] = ds[tag]
        write_dataset(out, one, ds._character_set)  # noqa: SLF001  # as it was encoded
    except Exception:  # noqa: BLE001  # an element that pydicom cannot write is left out
        return b""
    return out.getvalue()

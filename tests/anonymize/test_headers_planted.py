"""Headers: a string planted anywhere is gone, by a recursive search and in the raw bytes."""

from __future__ import annotations

import io
import warnings

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.datadict import DicomDictionary
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from support.leak.planting import (
    LETTERS,
    PUBLIC,
    SAFE_CREATORS,
    SCRIPTS,
    SEQUENCES,
    TEXT,
    VRS,
    WIDTHS,
    encoded,
    in_bytes,
    in_elements,
    nested,
    padded,
)

from edge.anonymize.headers import clean as headers
from edge.anonymize.headers import media
from edge.anonymize.headers.remap import Remap

KEY = bytes(range(32))
CR = "1.2.840.10008.5.1.4.1.1.1"


@st.composite
def plants(draw):
    """One string and where it stands."""
    script = draw(st.sampled_from([None, None, *SCRIPTS.values()]))
    if script is None:
        charset, codec = draw(st.sampled_from([None, "ISO_IR 100", "ISO_IR 192"])), "ascii"
        word = draw(st.text(LETTERS, min_size=8, max_size=12))
    else:
        charset, codec = script.charset, script.codec
        word = draw(st.text(script.letters, min_size=4, max_size=8))
    if draw(st.booleans()):
        tag, vr = draw(st.sampled_from(PUBLIC))
        vr = draw(st.sampled_from([vr, *VRS])) if draw(st.booleans()) else vr
        creator = None
    else:
        group = draw(st.sampled_from([0x0009, 0x0019, 0x0043, 0x0099, 0x0119, 0x2001, 0x7FE1]))
        creator = draw(st.sampled_from([*SAFE_CREATORS, "VENDOR", word]))
        tag, vr = group << 16 | 0x1000 | draw(st.integers(0, 0xFF)), draw(st.sampled_from(VRS))
    vr = "UN" if len(vr) != 2 or vr == "SQ" else vr
    implicit = draw(st.booleans()) and creator is None
    if implicit:
        vr = DicomDictionary[tag][0]
        vr = "UN" if len(vr) != 2 or vr == "SQ" else vr
    # Numbers whose bytes happen to be letters of another script are known only by the name.
    named = draw(st.booleans()) or (script is not None and vr in WIDTHS)
    path = draw(st.lists(st.sampled_from([*SEQUENCES, 0x00091001, 0x0040A730]), max_size=3))
    return {
        "word": word, "data": word.encode(codec), "charset": charset, "codec": codec, "tag": tag, "vr": vr,
        "creator": creator, "named": named, "path": path,
        "lead": draw(st.sampled_from(["", "seen by ", "^"])),
        "implicit": implicit,
    }  # fmt: skip


def written(plant) -> bytes:
    """A CR object with the string in its place, as a file."""
    implicit = plant["implicit"]
    value = plant["lead"].encode() * (plant["vr"] in TEXT) + plant["data"]
    value = padded(plant["vr"], value)
    inner = b""
    if plant["creator"] is not None:
        creator = plant["creator"].encode(plant["codec"])
        inner = encoded(plant["tag"] & 0xFFFF0000 | 0x10, "LO", creator, implicit=implicit)
    inner += encoded(plant["tag"], plant["vr"], value, implicit=implicit)
    top = plant["tag"]
    for tag in plant["path"]:
        inner, top = nested(tag, inner, implicit=implicit), tag
    name = plant["data"] if plant["named"] else b"SOMEBODY"
    elements = {
        0x00080005: ("CS", (plant["charset"] or "").encode()),
        0x00080016: ("UI", CR.encode()),
        0x00080018: ("UI", b"1.2.3.4.5"),
        0x00100010: ("PN", name),
        0x0020000D: ("UI", b"1.2.3.4"),
    }
    parts = {t: encoded(t, vr, value, implicit=implicit) for t, (vr, value) in elements.items()}
    parts[top] = inner
    syntax = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    return media.head(media.meta_of(CR, "1.2.3.4.5", syntax)) + b"".join(parts[t] for t in sorted(parts))


def found(data: bytes, plant) -> bool:
    return in_bytes(data, plant["word"], plant["codec"])


def cleaned(data: bytes, options: headers.Options) -> bytes:
    ds = pydicom.dcmread(io.BytesIO(data))
    headers.clean(ds, Remap(KEY, headers.patient_of(ds)), options)
    return media.encode_file(ds)


CHOICES = [
    [], ["retain-safe-private"], ["retain-patient-characteristics", "retain-uids"],
    ["no-clean-descriptors", "no-clean-structured-content", "no-clean-graphics"],
    ["no-retain-modified-dates", "retain-safe-private"],
]  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(plants(), st.sampled_from(CHOICES))
def test_a_string_planted_anywhere_is_gone(plant, names):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before = written(plant)
        assert found(before, plant)  # the control
        after = cleaned(before, headers.Options.from_names(names))
        assert not found(after, plant)
        assert not in_elements(pydicom.dcmread(io.BytesIO(after)), plant["word"])


@pytest.mark.parametrize("vr", VRS)
def test_every_vr_is_planted_and_cleaned(vr):
    plant = {
        "word": "ZEBROWSKAQ", "data": b"ZEBROWSKAQ", "charset": None, "codec": "ascii", "tag": 0x00189999,
        "vr": vr, "creator": None, "named": False, "path": [0x00081140, 0x0040A730], "lead": "",
        "implicit": False,
    }  # fmt: skip
    for tag in (0x00189999, 0x00280106, 0x00200032, 0x00080070):
        plant["tag"] = tag
        before = written(plant)
        assert found(before, plant)  # the control
        assert not found(cleaned(before, headers.Options()), plant)

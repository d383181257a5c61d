"""Every text of a data set is looked at, wherever it stands, and none is changed."""

import io
import os
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from edge.imaging import dicom
from edge.imaging.decoded import DecodeLimits
from edge.imaging.dicom_texts import scripts_of
from tests.imaging.make_dicom import dataset, encode

FILES = Path(os.environ.get("EDGE_DATA", "../shared/data")) / "dicom" / "files"
pytestmark = pytest.mark.filterwarnings("ignore")  # pydicom's, of bytes that are no text
SYNTAXES = [ExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian]
PLACES = ["PatientName", "StudyDescription", "AdditionalPatientHistory", "StationName", "InstitutionAddress",
          "LongCodeValue", "TextValue"]  # fmt: skip
"""PN, LO, LT, SH, ST, UC, UT."""


def image(**attributes) -> Dataset:
    return dataset(np.arange(64, dtype=np.uint16).reshape(8, 8), **attributes)


def read(ds: Dataset, syntax: str = ExplicitVRLittleEndian) -> Dataset:
    return pydicom.dcmread(io.BytesIO(encode(ds, syntax)))


def nested(ds: Dataset, item: Dataset, depth: int = 1, *, undefined: bool = False) -> Dataset:
    for _ in range(depth):
        outer = Dataset()
        outer.RequestAttributesSequence = Sequence([item])
        outer["RequestAttributesSequence"].is_undefined_length = undefined
        item = outer
    ds.update(item)
    return ds


@pytest.mark.parametrize("keyword", PLACES)
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_a_text_of_any_vr_counts(keyword, syntax):
    ds = image(SpecificCharacterSet="ISO_IR 192")
    assert scripts_of(read(ds, syntax)) == ()
    setattr(ds, keyword, "王^小东")
    assert scripts_of(read(ds, syntax)) == ("cjk",)
    assert scripts_of(ds) == ("cjk",)  # converted already


def test_a_code_string_beyond_its_repertoire_counts():
    data = encode(image(SpecificCharacterSet="ISO_IR 100", BodyPartExamined="SCHADEL"))
    assert scripts_of(pydicom.dcmread(io.BytesIO(data.replace(b"SCHADEL", b"SCH\xc4DEL")))) == ()
    data = data.replace(b"ISO_IR 100", b"ISO_IR 192").replace(b"SCHADEL ", "ГРУД".encode())
    assert scripts_of(pydicom.dcmread(io.BytesIO(data))) == ("cyrillic",)


@pytest.mark.parametrize("undefined", [False, True])
@pytest.mark.parametrize("depth", [1, 2, 7])
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_texts_of_items_count(syntax, depth, undefined):
    item = Dataset()
    item.RequestedProcedureDescription = "Щербакова"
    ds = nested(image(SpecificCharacterSet="ISO_IR 192"), item, depth, undefined=undefined)
    assert scripts_of(read(ds, syntax)) == ("cyrillic",)
    assert scripts_of(ds) == ("cyrillic",)


def test_an_item_may_declare_its_own_character_set():
    item = Dataset()
    item.SpecificCharacterSet = "ISO_IR 126"
    item.RequestedProcedureDescription = "Ζωή"
    ds = nested(image(SpecificCharacterSet="ISO_IR 100", PatientName="Müller"), item)
    assert scripts_of(read(ds)) == ("greek",)
    item.SpecificCharacterSet = "rubbish"
    del item.RequestedProcedureDescription
    assert scripts_of(read(ds)) == ("unknown",)
    item.SpecificCharacterSet = None
    item.RequestedProcedureDescription = "Größe"
    assert scripts_of(read(ds)) == ("unknown",)
    del item.SpecificCharacterSet  # the outer one holds
    assert scripts_of(read(ds)) == ()


def test_private_texts_count_and_bytes_of_unknown_meaning_do_not():
    ds = image(SpecificCharacterSet="ISO_IR 192")
    ds.private_block(0x0011, "MAKER", create=True).add_new(0x01, "UN", "Щ".encode())
    assert scripts_of(read(ds)) == ()
    ds.private_block(0x0011, "MAKER").add_new(0x02, "LO", "Щ")
    assert scripts_of(read(ds)) == ("cyrillic",)
    assert scripts_of(read(ds, ImplicitVRLittleEndian)) == ()  # no VR was written


def test_the_name_of_a_private_block_is_a_text():
    ds = image(SpecificCharacterSet="ISO_IR 192")
    ds.add_new(0x00110010, "LO", "Щ")
    assert scripts_of(read(ds, ImplicitVRLittleEndian)) == ("cyrillic",)


def test_a_private_text_that_a_dictionary_knows_counts_without_its_vr():
    ds = image(SpecificCharacterSet="ISO_IR 192")
    ds.private_block(0x0009, "GEMS_IDEN_01", create=True).add_new(0x01, "LO", "Щ")
    assert scripts_of(read(ds, ImplicitVRLittleEndian)) == ("cyrillic",)


@pytest.mark.parametrize("value", [b"M\xfcller", b"\x1b$B;3ED", b"a\x0eb"])
def test_bytes_that_no_term_declares_are_unknown(value):
    ds = image(PatientComments="PLACE" + "X" * (len(value) % 2 == 0) + "_" * (len(value) - 5))
    data = encode(ds).replace(ds.PatientComments.encode(), value.ljust(len(ds.PatientComments)))
    assert scripts_of(pydicom.dcmread(io.BytesIO(data))) == ("unknown",)
    ds.SpecificCharacterSet = ["", "ISO 2022 IR 100"]  # the first is the default repertoire
    data = encode(ds).replace(ds.PatientComments.encode(), value.ljust(len(ds.PatientComments)))
    assert scripts_of(pydicom.dcmread(io.BytesIO(data))) == ("unknown",)


def test_escapes_of_declared_sets_are_followed():
    ds = image(SpecificCharacterSet=["ISO 2022 IR 6", "ISO 2022 IR 101"], PatientName="Dvořák^Říčař")
    assert b"\x1b-B" in encode(ds)
    assert scripts_of(read(ds)) == ()
    ds = image(SpecificCharacterSet=["", "ISO 2022 IR 87"], PatientName="Yamada=山田^太郎=やまだ")
    assert scripts_of(read(ds)) == ("cjk",)
    ds = image(SpecificCharacterSet=["", "ISO 2022 IR 149"], PatientName="Hong=洪^吉洞=홍^길동")
    assert scripts_of(read(ds)) == ("cjk",)


def test_an_escape_ends_with_the_part_of_a_name_that_it_stands_in():
    ds = image(SpecificCharacterSet=["", "ISO 2022 IR 101"])
    key = pydicom.tag.Tag(0x00100010)
    for value, scripts in ((b"\x1b-BDvo\xf8ak^Jan", ()), (b"\x1b-BDvo\xf8ak^J\xe1n", ("unknown",))):
        ds[key] = RawDataElement(key, "PN", len(value), value, 0, False, True)
        assert scripts_of(ds) == scripts


def test_bytes_that_the_declared_set_does_not_have_are_unknown():
    ds = image(SpecificCharacterSet="ISO_IR 100", PatientName="Müller")
    data = encode(ds).replace(b"ISO_IR 100", b"ISO_IR 192")
    assert scripts_of(pydicom.dcmread(io.BytesIO(data))) == ("unknown",)


def test_a_vr_that_is_none_is_unknown_with_foreign_bytes_alone():
    data = encode(image(SpecificCharacterSet="ISO_IR 100", PatientComments="Müller"))
    assert b"LT" in data
    assert scripts_of(pydicom.dcmread(io.BytesIO(data.replace(b"LT\x06\x00M\xfc", b"XX\x06\x00M\xfc")))) == (
        "unknown",
    )
    assert scripts_of(pydicom.dcmread(io.BytesIO(data.replace(b"LT\x06\x00M\xfc", b"XX\x06\x00Mu")))) == ()


def test_a_sequence_that_cannot_be_read_is_unknown():
    ds = image(SpecificCharacterSet="ISO_IR 100")
    key = pydicom.tag.Tag(0x00400275)
    whole = b"\xfe\xff\x00\xe0\x00\x00\x00\x00"
    for value, scripts in (
        (whole, ()),
        (whole[:5], ("unknown",)),
        (b"M\xfcller" + whole, ("unknown",)),
    ):
        ds[key] = RawDataElement(key, "SQ", len(value), value, 0, False, True)
        assert scripts_of(ds) == scripts


def test_what_lies_deeper_than_is_looked_is_unknown():
    assert scripts_of(read(nested(image(), Dataset(), 32))) == ()
    item = Dataset()
    item.RequestedProcedureDescription = "x"
    assert scripts_of(read(nested(image(), item, 33))) == ("unknown",)


def test_the_data_set_stays_as_it_was():
    item = Dataset()
    item.RequestedProcedureDescription = "Щ"
    ds = read(nested(image(SpecificCharacterSet="ISO_IR 192", PatientName="Щ"), item))
    before = list(ds.values())
    assert scripts_of(ds) == ("cyrillic",)
    assert all(now is then for now, then in zip(ds.values(), before, strict=True))
    assert isinstance(ds.get_item("PixelData"), RawDataElement)


def test_a_decoded_object_tells_its_scripts_and_has_its_pixels():
    for name, sets, scripts in (
        ("Щербакова^Анна", "ISO_IR 144", ("cyrillic",)),
        ("Müller", "ISO_IR 100", ()),
    ):
        plain = dicom.decode(encode(image()), DecodeLimits())
        decoded = dicom.decode(
            encode(image(SpecificCharacterSet=sets, PatientName=name, ReferringPhysicianName=name)),
            DecodeLimits(),
        )
        assert decoded.acquisition.scripts == scripts
        assert np.array_equal(decoded.frames[0], plain.frames[0])


@given(
    st.binary(max_size=40),
    st.sampled_from(["", "ISO_IR 100", "ISO_IR 192", "GB18030", "\\ISO 2022 IR 87", "?"]),
)
def test_no_bytes_make_it_fail(value, term):
    ds = Dataset()
    for tag, content in ((0x00080005, term.encode()), (0x00100010, value), (0x00400275, value)):
        key = pydicom.tag.Tag(tag)
        vr = pydicom.datadict.dictionary_VR(key)
        ds[key] = RawDataElement(key, vr, len(content), content, 0, False, True)
    assert all(name.isascii() for name in scripts_of(ds))


@pytest.mark.skipif(not FILES.is_dir(), reason="needs EDGE_DATA/dicom")
def test_real_western_headers_have_no_other_script():
    found = {}
    for path in sorted(FILES.glob("*.dcm")):
        found[path.name] = scripts_of(pydicom.dcmread(path, force=True, stop_before_pixels=True))
    assert {name for name, scripts in found.items() if scripts} == {"pydicom_J2K_pixelrep_mismatch.dcm"}
    assert found["pydicom_J2K_pixelrep_mismatch.dcm"] == ("cjk",)  # it declares Japanese sets

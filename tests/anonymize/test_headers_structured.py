"""Structured reports by PS3.15 E.3.4: a tree as of TID 1500 keeps its measurements and loses its people."""

from __future__ import annotations

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from edge.anonymize.headers import clean as headers
from edge.anonymize.headers.remap import Remap

KEY = bytes(range(32))
LOST = ["ZEBROWSKA", "QUIXANO", "MRN0047711", "SAINTVITUS", "FREETEXTER", "LOCALCODE", "DEEPNESTED"]


def code(scheme: str, value: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def content(
    value_type: str, name: tuple[str, str, str], children=(), relation="CONTAINS", **value
) -> Dataset:
    item = Dataset()
    item.RelationshipType, item.ValueType = relation, value_type
    item.ConceptNameCodeSequence = Sequence([code(*name)])
    for keyword, one in value.items():
        setattr(item, keyword, one)
    if children:
        item.ContentSequence = Sequence(children)
    return item


def measurement(value: str, *children: Dataset) -> Dataset:
    measured = Dataset()
    measured.NumericValue = value
    measured.MeasurementUnitsCodeSequence = Sequence([code("UCUM", "mm", "ZEBROWSKA millimetres")])
    return content(
        "NUM", ("SCT", "410668003", "QUIXANO length"), children, MeasuredValueSequence=Sequence([measured])
    )


def report() -> Dataset:
    reference = Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = (
        "1.2.840.10008.5.1.4.1.1.2",
        "1.2.3.6",
    )
    age = Dataset()
    age.NumericValue = "97"
    age.MeasurementUnitsCodeSequence = Sequence([code("UCUM", "a", "year")])
    group = content(
        "CONTAINER",
        ("DCM", "125007", "Measurement Group"),
        [
            content("TEXT", ("DCM", "112039", "Tracking Identifier"), TextValue="lesion of ZEBROWSKA"),
            content("UIDREF", ("DCM", "112040", "Tracking Unique Identifier"), UID="1.2.3.77"),
            measurement("12.5", content("IMAGE", ("DCM", "121112", "Source"), relation="INFERRED FROM",
                                        ReferencedSOPSequence=Sequence([reference]))),
            content("CODE", ("DCM", "121071", "Finding"),
                    ConceptCodeSequence=Sequence([code("99LOCAL", "LOCALCODE", "LOCALCODE")])),
            content("CODE", ("SCT", "363698007", "Finding Site"),
                    ConceptCodeSequence=Sequence([code("SCT", "51185008", "chest of ZEBROWSKA")])),
        ],
    )  # fmt: skip
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID, ds.Modality = "1.2.840.10008.5.1.4.1.1.88.22", "1.2.3.5", "SR"
    ds.PatientName, ds.PatientID = "ZEBROWSKA^ANNA", "MRN0047711"
    ds.ReferringPhysicianName, ds.ValueType = "QUIXANO^DON", "CONTAINER"
    ds.ConceptNameCodeSequence = Sequence([code("DCM", "126000", "Imaging Measurement Report")])
    ds.ContentSequence = Sequence([
        content("PNAME", ("DCM", "121008", "Person Observer Name"), PersonName="QUIXANO^DON"),
        content("TEXT", ("DCM", "121009", "Organization"), TextValue="SAINTVITUS"),
        content("TEXT", ("DCM", "121022", "Accession Number"), TextValue="MRN0047711"),
        content("UIDREF", ("DCM", "121012", "Device Observer UID"), UID="1.2.3.88"),
        content("DATETIME", ("DCM", "122146", "Procedure DateTime"), DateTime="20220301101500+0100"),
        content("DATE", ("DCM", "121031", "Subject Birth Date"), Date="19610203"),
        content("NUM", ("DCM", "121033", "Subject Age"), MeasuredValueSequence=Sequence([age])),
        content("TEXT", ("DCM", "121106", "Comment"), TextValue="chest mass seen by FREETEXTER, contrast"),
        content("CONTAINER", ("99LOCAL", "LOCALCODE", "SAINTVITUS"),
                [content("TEXT", ("DCM", "121106", "Comment"), TextValue="DEEPNESTED")]),
        content("CONTAINER", ("DCM", "126010", "Imaging Measurements"), [group]),
    ])  # fmt: skip
    return ds


def everything(ds: Dataset) -> str:
    return "\n".join(str(element.value) for element in ds.iterall() if element.VR != "SQ").upper()


def cleaned(*names: str) -> Dataset:
    ds = report()
    headers.clean(ds, Remap(KEY, headers.patient_of(ds)), headers.Options.from_names(names))
    return ds


def by_name(ds: Dataset) -> dict[str, Dataset]:
    found = {}
    for item in ds.get("ContentSequence", []):
        found[item.ConceptNameCodeSequence[0].CodeValue] = item
        found |= by_name(item)
    return found


def test_names_go_and_measurements_stay():
    before = everything(report())
    assert [word for word in LOST if word not in before] == []  # the control
    ds = cleaned()
    assert [word for word in LOST if word in everything(ds)] == []
    items = by_name(ds)
    measured = items["410668003"].MeasuredValueSequence[0]
    assert measured.NumericValue == 12.5
    assert measured.MeasurementUnitsCodeSequence[0].CodeMeaning == "mm"
    assert items["410668003"].ConceptNameCodeSequence[0].CodeMeaning == "Length"
    assert items["363698007"].ConceptCodeSequence[0].CodeValue == "51185008"
    assert items["121106"].TextValue == "CHEST MASS CONTRAST"
    assert items["112039"].TextValue == "LESION OF"
    assert items["121008"].PersonName == "REMOVED"  # action D
    gone = {"121009", "121022", "121031", "121033", "121071", "LOCALCODE"}
    assert not gone & set(items)


def test_references_and_uids_are_replaced_as_everywhere():
    items = by_name(cleaned())
    remap = Remap(KEY, "any")
    assert remap.uid("1.2.3.77") == items["112040"].UID
    source = items["121112"].ReferencedSOPSequence[0]
    assert source.ReferencedSOPInstanceUID == remap.uid("1.2.3.6")
    assert source.ReferencedSOPClassUID == "1.2.840.10008.5.1.4.1.1.2"
    kept = by_name(cleaned("retain-uids"))
    assert kept["112040"].UID == "1.2.3.77"
    assert kept["121112"].ReferencedSOPSequence[0].ReferencedSOPInstanceUID == "1.2.3.6"


def test_dates_move_with_the_patients_and_go_without_the_option():
    remap = Remap(KEY, headers.patient_of(report()))
    moved = by_name(cleaned())["122146"].DateTime
    assert moved == remap.datetime("20220301101500+0100")
    without = by_name(cleaned("no-retain-modified-dates"))
    assert "2022" not in str(without["122146"].DateTime if "122146" in without else "")


def test_options_retain_what_the_table_says():
    assert by_name(cleaned("retain-institution"))["121009"].TextValue == "SAINTVITUS"
    assert by_name(cleaned("retain-device-identity"))["121012"].UID == "1.2.3.88"
    aged = by_name(cleaned("retain-patient-characteristics"))["121033"]
    assert aged.MeasuredValueSequence[0].NumericValue == 90
    assert "121031" not in by_name(cleaned("retain-patient-characteristics"))


def test_without_the_option_no_tree_is_left():
    ds = cleaned("no-clean-structured-content")
    assert [item.TextValue for item in ds.ContentSequence] == ["REMOVED"]
    assert not [word for word in LOST if word in everything(ds)]


@pytest.mark.parametrize("value_type", ["TABLE", "NEWTYPE", ""])
def test_an_unknown_value_type_goes(value_type):
    ds = report()
    ds.ContentSequence[7].ValueType = value_type
    headers.clean(ds, Remap(KEY, "p"), headers.Options())
    assert "121106" not in by_name(ds)


def test_content_items_hide_nothing_beside_their_value():
    hiding = content("CONTAINER", ("DCM", "126010", "Imaging Measurements"))
    hiding.CodeValue = "KOWALSKI"
    uid = content("UIDREF", ("DCM", "112040", "Tracking Unique Identifier"), UID="KOWALSKI")
    both = content("UIDREF", ("DCM", "112002", "Series"), UID="1.2.3", TextValue="KOWALSKI")
    both.PersonName = "KOWALSKI"
    linked = Dataset()
    linked.RelationshipType, linked.ReferencedContentItemIdentifier = "CONTAINS", [1, 2]
    linked.CodeMeaning = "KOWALSKI"
    ds = report()
    ds.ContentSequence = Sequence([hiding, uid, both, linked])
    assert everything(ds).count("KOWALSKI") == 5  # the control
    headers.clean(ds, Remap(KEY, "p"), headers.Options(retain_uids=True))
    assert "KOWALSKI" not in everything(ds)
    assert by_name(ds)["112002"].UID == "1.2.3"


def test_context_of_an_acquisition_is_a_content_tree_too():
    ds = Dataset()
    ds.PatientID = "1"
    ds.AcquisitionContextSequence = Sequence([
        content("TEXT", ("DCM", "109054", "Patient State"), TextValue="SMITH rest stress"),
        content("PNAME", ("DCM", "121114", "Performing Physician"), PersonName="SMITH"),
    ])  # fmt: skip
    headers.clean(ds, Remap(KEY, "p"), headers.Options())
    texts = [item.get("TextValue") or str(item.PersonName) for item in ds.AcquisitionContextSequence]
    assert texts == ["REST STRESS", "REMOVED"]

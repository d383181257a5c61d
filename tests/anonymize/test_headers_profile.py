"""The tables of PS3.15 Annex E, the options, and the one action that they give an attribute."""

from __future__ import annotations

import pytest
from pydicom.datadict import dictionary_VR, keyword_dict

from edge.anonymize.headers import profile, safe_private, structured_content
from edge.anonymize.headers.options import Options, UnknownOptionError, option_names

NOTHING = Options.from_names(f"no-{name}" for name in option_names())


def action(keyword: str, *names: str) -> str:
    options = Options.from_names([f"no-{name}" for name in option_names()] + list(names))
    return profile.Profile(options).rule(keyword_dict[keyword]).action


def test_the_tables_have_the_standards_rows():
    rows = profile.table()
    assert len(rows) == 656
    assert structured_content.size() == 211
    counts = {column: sum(bool(row[column]) for row in rows.values()) for column in next(iter(rows.values()))}
    assert counts["safe_private"] == 1
    assert counts["full_dates"] == counts["modified_dates"] == 169
    assert all((row["full_dates"], row["modified_dates"]) in {("", ""), ("K", "C")} for row in rows.values())
    assert (counts["structured"], counts["graphics"], counts["institution"]) == (4, 4, 10)
    assert {row["basic"] for row in rows.values()} == {
        *("D", "Z", "X", "U", "X/Z", "X/D", "Z/D", "X/Z/D", "X/Z/U*"),
    }


@pytest.mark.parametrize(
    ("tag", "code"),
    [
        (0x00100010, "Z"), (0x00100020, "Z/D"), (0x0020000D, "U"), (0x00080090, "Z"), (0x00102160, "X"),
        (0x00081140, "X/Z/U*"), (0x0040A730, "D"), (0x50341234, "X"), (0x60023000, "X"), (0x00280010, None),
    ],
)  # fmt: skip
def test_the_basic_profile_is_the_standards(tag, code):
    assert profile.code(tag) == code


@pytest.mark.parametrize(
    ("keyword", "basic", "option", "changed"),
    [
        ("StudyDescription", "X", "clean-descriptors", "C"),
        ("PatientSex", "Z", "retain-patient-characteristics", "K"),
        ("Allergies", "X", "retain-patient-characteristics", "C"),
        ("DeviceSerialNumber", "D", "retain-device-identity", "K"),
        ("StationAETitle", "X", "retain-device-identity", "C"),
        ("InstitutionName", "D", "retain-institution", "K"),
        ("StudyInstanceUID", "U", "retain-uids", "K"),
        ("SourceImageSequence", "U", "retain-uids", "K"),
        ("StudyDate", "Z", "retain-modified-dates", "C"),
        ("ContentSequence", "D", "clean-structured-content", "C"),
        ("GraphicAnnotationSequence", "D", "clean-graphics", "C"),
        ("PatientBirthDate", "Z", "retain-modified-dates", "Z"),
        ("PatientBirthTime", "X", "retain-modified-dates", "X"),
        ("TimezoneOffsetFromUTC", "X", "retain-modified-dates", "X"),
        ("Rows", "judge", "retain-uids", "judge"),
    ],
)
def test_an_option_changes_the_action(keyword, basic, option, changed):
    assert action(keyword) == basic
    assert action(keyword, option) == changed
    assert action(keyword, *set(option_names()) - {option}) != "K" or changed != "C"


def test_a_device_does_not_keep_a_date_that_the_option_of_dates_would_shift():
    assert action("DateOfLastCalibration", "retain-device-identity") == "X"
    assert action("DateOfLastCalibration", "retain-device-identity", "retain-modified-dates") == "C"


def test_no_option_gives_an_action_that_its_row_does_not_have():
    for name in option_names():
        rules = profile.Profile(Options.from_names([f"no-{n}" for n in option_names()] + [name]))
        for tag, row in profile.table().items():
            if "x" in tag or tag == "private":
                continue
            rule = rules.rule(int(tag, 16))
            if rule.option == "dates":
                assert (row["modified_dates"], dictionary_VR(int(tag, 16)) in {"DA", "DT", "TM"}) == (
                    "C",
                    True,
                )
            elif rule.option:
                assert row[rule.option] == rule.action
            else:
                assert row["basic"].split("/")[-1].rstrip("*") == rule.action


def test_options_are_named_and_an_unknown_name_lists_them():
    assert Options.from_names([]) == Options()
    assert Options.from_names(["retain-uids", "no-clean-descriptors"]) == Options(
        retain_uids=True, clean_descriptors=False
    )
    with pytest.raises(UnknownOptionError, match="retain-safe-private") as refused:
        Options.from_names(["retain-everything"])
    assert all(name in str(refused.value) for name in option_names())


def test_the_method_says_what_was_applied_and_nothing_else():
    assert NOTHING.method() == ["PS3.15 2026c Basic Profile"]
    assert [item.CodeValue for item in NOTHING.codes()] == ["113100"]
    everything = Options.from_names(option_names())
    values = [item.CodeValue for item in everything.codes()]
    assert values == [str(code) for code in (*range(113100, 113106), *range(113107, 113113))]
    assert all(len(text) <= 64 for text in everything.method())
    assert len(everything.method()) == 12


def test_private_attributes_are_safe_by_creator_and_element():
    assert safe_private.safe_vr("SIEMENS MR HEADER", 0x0019100C) == "IS"
    assert safe_private.safe_vr("SIEMENS MR HEADER", 0x0019110C) == "IS"  # any block
    assert safe_private.safe_vr("SIEMENS MR HEADER", 0x00191008) is None
    assert safe_private.safe_vr("Siemens MR Header", 0x0019100C) is None
    assert safe_private.safe_vr("HOLOGIC, Inc.", 0x7E011012) is None  # listed, but bytes that nobody reads

"""Free text by an allow-list: only words of the vocabulary and measures stay."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from edge.anonymize.headers import clean as headers
from edge.anonymize.headers.descriptors import clean_descriptor, vocabulary
from edge.anonymize.headers.remap import Remap


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("MRI brain w/o contrast, Dr. Kowalski", "MRI BRAIN W CONTRAST"),
        ("t2_tse_sag 3 mm b1000", "T2 TSE SAG 3 MM B1000"),
        ("CHEST PA 0047711", "CHEST PA"),
        ("Thorax 03.02.1961 / 03/02/61", "THORAX"),
        ("call 555 1234", ""),
        ("abdomen 19610203mm 12SMITH 120 kV", "ABDOMEN 120 KV"),
        ("b1961 b1963", ""),
        ("Knie links", ""),
        ("胸部 CT", "CT"),
        ("", ""),
    ],
)
def test_a_descriptor_keeps_what_the_vocabulary_lists(text, kept):
    assert clean_descriptor(text, (), ()) == kept


@given(st.text(max_size=60))
def test_whatever_goes_in_only_listed_words_and_measures_come_out(text):
    for word in re.sub(r"(\d) (?=[A-Z])", r"\1", clean_descriptor(text, (), ())).split():
        assert word in vocabulary() or re.fullmatch(r"\d{1,3}(\.\d{1,2})?[A-Z]+|B\d{1,4}", word)


def test_the_vocabulary_is_sorted_and_of_plain_words():
    words = sorted(vocabulary())
    assert all(re.fullmatch(r"[A-Z0-9]+", word) for word in words)
    assert not any(re.fullmatch(r"\d+", word) for word in words)


def test_a_patient_named_as_a_listed_word_loses_it():
    ds = Dataset()
    ds.PatientName, ds.PatientID = "HEART^LAO", "1"
    ds.StudyDescription, ds.BodyPartExamined = "heart chest LAO", "HEART"
    headers.clean(ds, Remap(bytes(32), "p"), headers.Options())
    assert ds.StudyDescription == "CHEST"
    assert ds.BodyPartExamined in {"", None}


def test_a_clinic_named_after_what_it_does_takes_no_words_away():
    ds = Dataset()
    ds.PatientName, ds.InstitutionName = "SMITH^ANN", "CHEST CLINIC WILLOWBROOK"
    ds.StudyDescription, ds.BodyPartExamined = "chest, Willowbrook", "CHEST"
    headers.clean(ds, Remap(bytes(32), "p"), headers.Options())
    assert (ds.StudyDescription, ds.BodyPartExamined) == ("CHEST", "CHEST")


def test_without_the_option_free_text_goes():
    ds = Dataset()
    ds.PatientID, ds.StudyDescription, ds.Manufacturer = "1", "CHEST", "SIEMENS"
    headers.clean(ds, Remap(bytes(32), "p"), headers.Options(clean_descriptors=False))
    assert "StudyDescription" not in ds
    assert not ds.Manufacturer

"""Differential oracles: what dicom-anonymizer or deid removes by its basic profile, we remove too."""

from __future__ import annotations

import io
import logging
import warnings

import pydicom
import pytest
from pydicom.dataset import Dataset

from edge.anonymize.headers import clean as headers
from edge.anonymize.headers.options import option_names
from edge.anonymize.headers.remap import Remap
from tests.anonymize.plant import NAMES, planted
from tests.anonymize.scenes import radiograph

BASIC = headers.Options.from_names(f"no-{name}" for name in option_names())
REGISTERED = "names a SOP class of PS3.6, nobody else"
PEERS = {
    "dicom-anonymizer": {
        "ReferencedSOPClassUID": REGISTERED,
        "CodeValue": "a code of PS3.16 in a sequence whose UIDs we replace (U*) and it removes",
        "CodingSchemeDesignator": "of such a code",
        "CodeMeaning": "of such a code, as PS3.16 words it",
    },
    "deid": {
        "SOPClassUID": REGISTERED,
        "ReferencedSOPClassUID": REGISTERED,
        "RepetitionTime": "a duration, taken for a time of day because of its name",
        "EchoTime": "a duration",
        "InversionTime": "a duration",
        "ExposureTime": "a duration",
        "StudyStatusID": "a term of an enumeration, taken for an identifier because of its name",
        "StudyPriorityID": "a term of an enumeration",
    },
}
"""What a peer removes and we keep, and why."""
LEAVES = {
    "dicom-anonymizer": {
        *("ZEBROWSKA", "OVERLAYMAN", "KAROLINSKA", "CODEMEANER", "NOTESINUN", "FREETEXTER"),
    },
    "deid": {
        *("ZEBROWSKA", "QUIXANO", "19610203", "SAINTVITUS", "OVERLAYMAN", "DEEPNESTED", "CURVATURE"),
        *("KAROLINSKA", "CODEMEANER", "NOTESINUN", "FREETEXTER", "AEPLANTED"),
    },
}
"""Planted names that each peer's default leaves in the data set."""


def _dicom_anonymizer(ds: Dataset) -> Dataset:
    from dicomanonymizer.simpledicomanonymizer import anonymize_dataset

    anonymize_dataset(ds)
    return ds


def _deid(ds: Dataset) -> Dataset:
    from deid.config import DeidRecipe
    from deid.dicom import replace_identifiers

    (cleaned,) = replace_identifiers(ds, deid=DeidRecipe(), save=False, remove_private=True)
    return cleaned


@pytest.fixture(params=sorted(PEERS))
def peer(request):
    """Name of a peer and what it makes of the bytes of a file."""
    module = {"dicom-anonymizer": "dicomanonymizer", "deid": "deid"}[request.param]
    pytest.importorskip(module, reason="scripts/requirements/tests.txt has it")
    run = {"dicom-anonymizer": _dicom_anonymizer, "deid": _deid}[request.param]
    logging.disable(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield request.param, lambda data: run(pydicom.dcmread(io.BytesIO(data)))
    logging.disable(logging.NOTSET)


def flat(ds: Dataset, path: tuple[int, ...] = ()) -> dict[tuple[int, ...], tuple[str, str]]:
    """Keyword and value of every element that has one, by its path of tags and item numbers."""
    found = {}
    for element in ds:
        here = (*path, int(element.tag))
        if element.VR == "SQ":
            for number, item in enumerate(element.value):
                found |= flat(item, (*here, number))
        elif not element.is_empty:
            found[here] = (element.keyword, str(element.value))
    return found


def kept_against(peer, data: bytes) -> set[str]:
    """Keywords of values that the peer removes or changes and we keep as they are."""
    original = flat(pydicom.dcmread(io.BytesIO(data)))
    theirs = flat(peer(data))
    ds = pydicom.dcmread(io.BytesIO(data))
    headers.clean(ds, Remap(bytes(32), headers.patient_of(ds)), BASIC)
    ours = flat(ds)
    return {
        value[0]
        for path, value in original.items()
        if theirs.get(path) != value and ours.get(path) == value
    }  # fmt: skip


def test_what_a_peer_removes_of_a_planted_object_we_remove(peer):
    name, run = peer
    data = planted(radiograph(None, (32, 48)))
    assert flat(run(data)) != flat(pydicom.dcmread(io.BytesIO(data)))  # the control: it does remove something
    assert kept_against(run, data) <= set(PEERS[name])


def test_what_a_peer_removes_of_real_objects_we_remove(peer, edge_data):
    name, run = peer
    compared = 0
    for path in sorted((edge_data / "dicom" / "files").glob("*.dcm")):
        data = path.read_bytes()
        if data[128:132] != b"DICM" or "SOPClassUID" not in pydicom.dcmread(io.BytesIO(data)):
            continue
        assert kept_against(run, data) <= set(PEERS[name]), path.name
        compared += 1
    assert compared >= 15


def test_planted_names_that_a_peer_leaves_we_do_not(peer):
    name, run = peer
    data = planted(radiograph(None, (32, 48)))
    left = "\n".join(value for _, value in flat(run(data)).values()).upper()
    assert {planted for planted in NAMES if planted in left} == LEAVES[name]
    ds = pydicom.dcmread(io.BytesIO(data))
    headers.clean(ds, Remap(bytes(32), "p"), headers.Options())
    ours = "\n".join(value for _, value in flat(ds).values()).upper()
    assert [planted for planted in NAMES if planted in ours] == []


def test_deid_leaves_a_name_in_the_study_description(peer):
    name, run = peer
    ds = run(planted(radiograph(None, (32, 48))))
    assert ("Zebrowska" in str(ds.get("StudyDescription", ""))) is (name == "deid")

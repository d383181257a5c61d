"""The directory of a File-set (PS3.3 Annex F, PS3.10 8.6), built anew from the cleaned files.

An original DICOMDIR is not cleaned but replaced: a record rebuilt from a cleaned file can say nothing
that the file does not, files that were held back are not in it, and its byte offsets are right.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, MediaStorageDirectoryStorage

from edge.anonymize.headers.encoded import encode
from edge.anonymize.headers.media import head, meta_of

_LEVELS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("PATIENT", "PatientID", ("PatientName", "PatientID")),
    (
        "STUDY",
        "StudyInstanceUID",
        (
            *("StudyDate", "StudyTime", "AccessionNumber", "StudyDescription"),
            *("StudyInstanceUID", "StudyID"),
        ),
    ),
    ("SERIES", "SeriesInstanceUID", ("Modality", "SeriesInstanceUID", "SeriesNumber")),
)
"""Record type, the attribute that tells records of a level apart, the keys of a record (F.5.1 to F.5.3)."""
_LEAVES = {
    "SR": "SR DOCUMENT", "KO": "KEY OBJECT DOC", "PR": "PRESENTATION", "REG": "REGISTRATION",
    "FID": "FIDUCIAL", "RTDOSE": "RT DOSE", "RTSTRUCT": "RT STRUCTURE SET", "RTPLAN": "RT PLAN",
    "RTRECORD": "RT TREAT RECORD", "ECG": "WAVEFORM", "EPS": "WAVEFORM", "HD": "WAVEFORM",
    "AU": "WAVEFORM", "EEG": "WAVEFORM", "EMG": "WAVEFORM", "EOG": "WAVEFORM", "RESP": "WAVEFORM",
}  # fmt: skip
"""Record type by modality (F.4); an object with pixels is an IMAGE, any other RAW DATA."""
_LEAF_KEYS = (
    *("InstanceNumber", "ContentDate", "ContentTime", "ContentLabel", "ContentDescription"),
    *("CompletionFlag", "VerificationFlag", "ConceptNameCodeSequence", "RTPlanLabel"),
    *("StructureSetLabel", "DoseSummationType"),
)
_IN_USE = 0xFFFF
_SEQUENCE_HEADER = 12
_ITEM_HEADER = 8


@dataclass
class _Node:
    record: Dataset
    children: dict[str, _Node] = field(default_factory=dict)
    offset: int = 0


def is_dicomdir(dataset: Dataset) -> bool:
    """Whether a file that was read is the directory of a File-set."""
    meta = getattr(dataset, "file_meta", None) or Dataset()
    return meta.get("MediaStorageSOPClassUID", "") == MediaStorageDirectoryStorage or 0x00041220 in dataset


def build(
    files: Iterable[tuple[tuple[str, ...], Dataset]],
    file_set_uid: str,
    syntax: str = ExplicitVRLittleEndian,
) -> bytes:
    """A DICOMDIR for cleaned files, as a PS3.10 file.

    Args:
        files: File ID, see `media.file_id`, and cleaned data set of each.
        file_set_uid: of the new File-set: the replacement of the old one.
        syntax: Transfer Syntax UID of the files.
    """
    root = _Node(Dataset())
    for file_id, dataset in files:
        node = root
        for record_type, key, keywords in _LEVELS:
            value = str(dataset.get(key, "") or "")
            if value not in node.children:
                node.children[value] = _Node(_record(record_type, dataset, keywords))
            node = node.children[value]
        leaf = _record(_leaf_type(dataset), dataset, _LEAF_KEYS)
        leaf.ReferencedFileID = list(file_id)
        leaf.ReferencedSOPClassUIDInFile = dataset.SOPClassUID
        leaf.ReferencedSOPInstanceUIDInFile = dataset.SOPInstanceUID
        leaf.ReferencedTransferSyntaxUIDInFile = syntax
        node.children["\\".join(file_id)] = _Node(leaf)
    directory = Dataset()
    directory.FileSetID = ""
    directory.OffsetOfTheFirstDirectoryRecordOfTheRootDirectoryEntity = 0
    directory.OffsetOfTheLastDirectoryRecordOfTheRootDirectoryEntity = 0
    directory.FileSetConsistencyFlag = 0
    start = head(meta_of(MediaStorageDirectoryStorage, file_set_uid))
    nodes = _place(root, len(start) + len(encode(directory)) + _SEQUENCE_HEADER)
    tops = list(root.children.values())
    if tops:
        directory.OffsetOfTheFirstDirectoryRecordOfTheRootDirectoryEntity = tops[0].offset
        directory.OffsetOfTheLastDirectoryRecordOfTheRootDirectoryEntity = tops[-1].offset
    directory.DirectoryRecordSequence = Sequence([node.record for node in nodes])
    return start + encode(directory)


def _leaf_type(dataset: Dataset) -> str:
    return _LEAVES.get(str(dataset.get("Modality", "")), "IMAGE" if "Rows" in dataset else "RAW DATA")


def _record(record_type: str, dataset: Dataset, keywords: Iterable[str]) -> Dataset:
    record = Dataset()
    record.OffsetOfTheNextDirectoryRecord = 0
    record.RecordInUseFlag = _IN_USE
    record.OffsetOfReferencedLowerLevelDirectoryEntity = 0
    record.DirectoryRecordType = record_type
    for keyword in ("SpecificCharacterSet", *keywords):
        if keyword in dataset:
            record[keyword] = dataset[keyword]
    return record


def _place(node: _Node, start: int) -> list[_Node]:
    """Set the offsets of all records below ``node``, each before its children; the nodes in that order.

    Offsets have a fixed size: a record is as long with them as without.
    """
    placed: list[_Node] = []
    siblings = list(node.children.values())
    for child in siblings:
        child.offset = start
        placed.append(child)
        below = _place(child, start + _ITEM_HEADER + len(encode(child.record)))
        placed += below
        start += sum(_ITEM_HEADER + len(encode(done.record)) for done in (child, *below))
        if below:
            child.record.OffsetOfReferencedLowerLevelDirectoryEntity = below[0].offset
    for child, following in pairwise(siblings):
        child.record.OffsetOfTheNextDirectoryRecord = following.offset
    return placed

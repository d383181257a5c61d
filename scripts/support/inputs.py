"""Inputs for the demo: real images that carry planted names in headers and burned into pixels.

Without real data the images are those that the pinned wheels carry (pydicom's test files,
scikit-image's astronaut as the face); with it, images of the test split and the real DICOM files
are sent too. Every name is invented, and each planted word is unique so that a search for it cannot
hit by accident.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    CTImageStorage,
    ExplicitVRLittleEndian,
    MRImageStorage,
    generate_uid,
)

_SYLLABLES = [
    "BRU",
    "KEL",
    "DOM",
    "FAR",
    "GUS",
    "HOL",
    "KOR",
    "LEM",
    "MUR",
    "NOV",
    "POL",
    "RAN",
    "SEK",
    "TUL",
    "VAN",
    "ZAR",
    "BEN",
    "DAL",
    "FEN",
    "GOR",
    "HAM",
    "KUN",
    "LOR",
    "MAT",
    "NEL",
    "PAR",
    "RUB",
    "SAL",
    "TOM",
    "VEL",
]
_UNSENDABLE = {"pydicom_MR_truncated.dcm"}
"""dcmtk's storescu refuses to read it; the tests hand it over by the watched folder."""
_STORAGE = {"MR": MRImageStorage, "CR": ComputedRadiographyImageStorage, "CT": CTImageStorage}
_KIND = {"MRI": ("MR", "BRAIN", ""), "XR": ("CR", "CHEST", "PA"), "CT": ("CT", "CHEST", "")}


@dataclass
class Plan:
    """What was made, and what must not be found again."""

    files: list[Path] = field(default_factory=list)
    header_words: list[str] = field(default_factory=list)
    pixel_words: list[str] = field(default_factory=list)
    real: bool = False

    @property
    def planted(self) -> list[str]:
        """All planted words."""
        return self.header_words + self.pixel_words


def write_text(
    image: NDArray[np.uint8], word: str, at: tuple[int, int], height: int, *, ink: int, ground: int
) -> NDArray[np.uint8]:
    """A copy of a gray or colour image with a word written at (left, top) on a filled ground."""
    picture = Image.fromarray(image)
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(height)
    left, top, right, bottom = draw.textbbox(at, word, font=font)
    colours = [value if image.ndim == 2 else (value,) * 3 for value in (ground, ink)]
    draw.rectangle((left - 6, top - 6, right + 6, bottom + 6), fill=colours[0])
    draw.text(at, word, font=font, fill=colours[1])
    return np.array(picture)


class Names:
    """Invented surnames that no picture or log holds by accident."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._given: set[str] = set()

    def new(self) -> str:
        """A new word of four syllables, upper case, that shares no half with another."""
        while True:
            syllables = self._random.sample(_SYLLABLES, k=4)
            pairs = {"".join(syllables[i : i + 2]) for i in range(3)}
            if not pairs & self._given:
                self._given |= pairs
                return "".join(syllables)

    def digits(self) -> str:
        """A new patient number of nine digits."""
        return str(self._random.randrange(10**8, 10**9))


def _burn(image: NDArray[np.uint8], word: str) -> NDArray[np.uint8]:
    """Write a name into the upper left corner, white on black, as consoles do."""
    return write_text(image, word, (6, 4), max(20, image.shape[1] // 18), ink=255, ground=0)


def dicom(
    image: NDArray[np.uint8], kind: tuple[str, str, str], study: dict[str, str], number: int
) -> FileDataset:
    """Wrap an 8-bit gray image as a DICOM object of the given modality, body part and view."""
    modality, body_part, view = kind
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = _STORAGE[modality]
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SOPClassUID, ds.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    ds.PatientName, ds.PatientID = f"{study['name']}^ERNA", study["id"]
    ds.IssuerOfPatientID, ds.PatientBirthDate, ds.PatientSex = "DEMO", "19340507", "O"
    ds.AccessionNumber, ds.StudyInstanceUID, ds.SeriesInstanceUID = (
        study["accession"],
        study["study"],
        study["series"],
    )
    ds.StudyDescription = f"{body_part} of {study['name']}"
    ds.Modality, ds.BodyPartExamined, ds.ViewPosition = modality, body_part, view
    ds.Manufacturer, ds.ManufacturerModelName, ds.InstanceNumber = "Demo", "Demo 1", number
    nested = Dataset()
    nested.PatientName = f"{study['name']}^NESTED"
    ds.RequestAttributesSequence = [nested]
    ds.Rows, ds.Columns = image.shape
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated = ds.BitsStored = 8
    ds.HighBit, ds.PixelRepresentation = 7, 0
    ds.PixelData = image.tobytes() + (b"\0" if image.size % 2 else b"")
    return ds


def wheel_images() -> Iterator[tuple[NDArray[np.uint8], tuple[str, str, str]]]:
    from pydicom.data import get_testdata_file

    for name, kind in (("MR_small.dcm", _KIND["MRI"]), ("CT_small.dcm", _KIND["CT"])):
        path = get_testdata_file(name, download=False)
        values = pydicom.dcmread(str(path)).pixel_array.astype(np.float32)
        low, high = np.percentile(values, (1, 99.5))
        gray = np.clip((values - low) / max(1.0, high - low) * 255, 0, 255).astype(np.uint8)
        yield cv2.resize(gray, (384, 384), interpolation=cv2.INTER_CUBIC), kind


def real_images(data: Path, each: int) -> Iterator[tuple[NDArray[np.uint8], tuple[str, str, str]]]:
    """The first ``each`` test images of each class, enlarged so that burned-in text is legible."""
    seen: dict[str, int] = {}
    with (data / "index.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            label = row["task_label"]
            if row["split"] != "test" or seen.get(label, 0) >= each:
                continue
            seen[label] = seen.get(label, 0) + 1
            gray = cv2.imread(str(data / row["file"]), cv2.IMREAD_GRAYSCALE)
            yield cv2.resize(gray, (448, 448), interpolation=cv2.INTER_CUBIC), _KIND[row["modality"]]


def make_objects(
    out: Path, *, data: Path | None, seed: int = 2, each: int = 2, count: int | None = None
) -> Plan:
    """Write DICOM files with planted names; every second one has a name burned into its pixels.

    Args:
        out: folder for the files.
        data: real data, or None for what the wheels carry.
        seed: fixes the names.
        each: images of each class of the real data.
        count: exactly so many objects, repeating the images; None for one of each.
    """
    out.mkdir(parents=True, exist_ok=True)
    names, plan = Names(seed), Plan(real=data is not None)
    images = list(real_images(data, each) if data else wheel_images())
    if data is None and count is None:
        count = 12
    images.sort(key=lambda pair: pair[1])  # a study is of one kind
    before = None
    for number in range(count if count is not None else len(images)):
        image, kind = images[number % len(images)]
        if number % 3 == 0 or kind != before:
            before = kind
            study = {
                "name": names.new(), "id": names.digits(), "accession": names.digits(),
                "study": generate_uid(), "series": generate_uid(),
            }  # fmt: skip
            plan.header_words += [study["name"], study["id"]]
        if number % 2 == 0:
            word = names.new()
            plan.pixel_words.append(word)
            image = _burn(image, word)
        path = out / f"{number:04d}.dcm"
        dicom(image, kind, study, number + 1).save_as(path, enforce_file_format=True)
        plan.files.append(path)
    if data is not None and count is None:
        real = sorted((data / "dicom" / "files").glob("*.dcm"))
        plan.files[:0] = [path for path in real if path.name not in _UNSENDABLE]
    return plan

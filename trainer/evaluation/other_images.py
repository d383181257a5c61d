"""The set of images that no model was made for, put together the same way every time.

Real ones: the DICOM files and photographs of a data folder, a user's own folder or index. Drawn ones:
`trainer.evaluation.other_pictures`. Valid images in the wrong place: offered as another kind of image, or
turned by 90 or 180 degrees. Which of the files and drawings is told by `trainer.evaluation.halves`; a user's
own are taken whole.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.imaging import dicom, preprocess, still
from edge.imaging.decoded import DecodeLimits, Opened, Undecodable
from edge.imaging.frames import Acquisition
from trainer.data import dataset, sources
from trainer.data.dataset import Record
from trainer.data.dicom import REFUSED, ObjectError, looks_like_dicom, open_clean, pixels_of
from trainer.evaluation.errors import EvaluationError
from trainer.evaluation.halves import SEEDS, own_half
from trainer.evaluation.other_pictures import DRAWN

Family = Literal["scans", "photographs", "drawn", "misplaced", "own"]
FAMILIES: dict[Family, str] = {
    "scans": "real scans and radiographs of other kinds",
    "photographs": "photographs, portraits and test objects",
    "drawn": "drawn pictures",
    "misplaced": "images of this data under another kind's name",
    "own": "your own",
}
"""In words."""
EACH = 24
"""Images of each kind that is drawn or sampled."""
VIDEOS = {".mp4", ".mkv", ".gif", ".avi"}
LATERAL = {"presidio_1_ORIGINAL.png"}
"""The one real chest radiograph from the side in the data folder."""
HEAD_CT = {"deiddata_ctbrain1.dcm", "pydicom_J2K_pixelrep_mismatch.dcm"}
"""What says that it is a CT of a head: a drawn face, and a real one. Both are judged, never chosen by."""
NO_SCANS = {
    "deid_MR.dcm", "deiddata_ctbrain1.dcm", "deiddata_image1.dcm", "deiddata_image4.dcm",
    "pydicom_GDCMJ2K_TextGBR.dcm", "pydicom_liver_1frame.dcm",
}  # fmt: skip
"""DICOM objects that show no patient: noise, a drawn face, biscuits, words, a mask."""
COPIES = {"pydicom_OBXXXX1A_rle.dcm", "pydicom_examples_rgb_color.dcm"}
"""The same screens as two other files, so that they would count twice, and be in both halves."""
VALID = {"presidio_0_ORIGINAL_compressed.dcm"}
"""A frontal chest radiograph, which is what a chest model is for."""


@dataclass(frozen=True, eq=False)
class Other:
    """One image that ought to get an abstention."""

    kind: str
    image: NDArray[np.uint8]
    """(224, 224) gray."""
    groups: tuple[str, ...] = ()
    """Groups of classes that it is offered to; none means every group."""
    acquisition: Acquisition | None = None
    """What its DICOM header says; None where there is no header."""
    family: Family = "own"
    """Of its kind: what may be drawn at will says less than what was taken of a patient."""


TURNED = "turned by"
"""In the kind of a valid image that is turned."""


def drawn(held: bool, each: int = EACH) -> list[Other]:
    """Noise, text and pictures by formula; ``held`` for those held out."""
    return [
        Other(kind, make(np.random.default_rng((SEEDS[held], number, index))), family="drawn")
        for number, (kind, make) in enumerate(DRAWN.items())
        for index in range(each)
    ]


def misplaced(
    records: Sequence[Record], images: NDArray[np.uint8], groups: Sequence[str], each: int = EACH
) -> list[Other]:
    """Valid images where they do not belong: as another group's, and turned. ``groups`` is each record's."""
    rng = np.random.default_rng(90211)
    names, known = np.array(groups), sorted(set(groups))
    out: list[Other] = []
    for group in known:
        rows = np.flatnonzero(names == group)
        rest = tuple(other for other in known if other != group)
        for row in rng.choice(rows, min(each, len(rows)), replace=False):
            modality = records[int(row)].modality
            if rest:
                out.append(
                    Other(f"{modality} offered as another kind", images[row], rest, family="misplaced")
                )
            for quarter, degrees in ((1, 90), (2, 180)):
                turned = np.ascontiguousarray(np.rot90(images[row], quarter))
                kind = f"{modality} {TURNED} {degrees} degrees"
                out.append(Other(kind, turned, (group,), family="misplaced"))
    return out


def of_other_modalities(records: Sequence[Record], each: int = EACH) -> list[Other]:
    """Real images of a kind that the model does not know, offered to every group."""
    chosen = np.random.default_rng(90212).permutation(len(records))[:each]
    some = [records[int(row)] for row in sorted(chosen)]
    return [
        Other(f"{record.modality} offered as another kind", image, family="misplaced")
        for record, image in zip(some, dataset.load_all(some), strict=True)
    ]


def data_folder(folder: Path, held: bool, each: int = EACH) -> list[Other]:
    """One half of the DICOM files under ``dicom`` and photographs under ``faces``; absent parts give none."""
    out = dicom_folder(folder / "dicom" / "files", held)
    photographs = own_half(sorted((folder / "faces" / "files").glob("*")), held)
    out += _of_files((file, "photograph", "photographs") for file in photographs)
    portraits = own_half(sorted((folder / "faces" / "portraits").glob("*.jpg")), held)
    some = portraits[:: max(1, len(portraits) // each)][:each]
    return out + _of_files((file, "portrait", "photographs") for file in some)


def dicom_folder(folder: Path, held: bool) -> list[Other]:
    """Every file of one half that decodes, but those that the model is for, and copies.

    Raises:
        EvaluationError: an object may say who the patient is, and is none of the public ones.
    """
    files = [file for file in sorted(folder.glob("*")) if file.name not in VALID | COPIES and file.is_file()]
    lateral = own_half([file for file in files if file.name in LATERAL], held)
    others = own_half([file for file in files if file.name not in LATERAL], held, HEAD_CT)
    named: list[_Named] = [(file, "chest from the side, real", "scans") for file in lateral]
    for file in others:
        if file.name in NO_SCANS:
            named.append((file, "test object in DICOM", "photographs"))
        else:
            named.append((file, "scan of another kind, real", "scans"))
    return _of_files(named)


def stock_photographs(held: bool) -> list[Other]:
    """One half of the photographs that come with scikit-image, where it is installed."""
    try:
        import skimage
    except ImportError:
        return []
    folder = Path(skimage.__file__).parent / "data"
    names = (
        "astronaut.png", "brick.png", "camera.png", "chelsea.png", "coffee.png", "coins.png", "grass.png",
        "gravel.png", "hubble_deep_field.jpg", "ihc.png", "moon.png", "motorcycle_left.png", "page.png",
        "retina.jpg", "rocket.jpg", "text.png",
    )  # fmt: skip
    files = own_half([folder / name for name in names if (folder / name).is_file()], held)
    return _of_files((file, "photograph", "photographs") for file in files)


def own(path: Path) -> list[Other]:
    """A user's folder of PNG, JPEG, DICOM files and videos, or an index with the column ``file``.

    In a folder, the first folder below it names the kind; in an index the column ``kind``, if there is one.

    Raises:
        EvaluationError: nothing can be read there, or a DICOM object may say who the patient is.
    """
    if path.is_dir():
        files = [(file, file.relative_to(path).parts) for file in sorted(path.rglob("*")) if file.is_file()]
        pairs = [(file, parts[0] if len(parts) > 1 else path.name) for file, parts in files]
    else:
        pairs = list(_rows(path))
    out = _of_files((file, f"own: {kind}", "own") for file, kind in pairs)
    if len(out) < len(pairs):
        print(f"{len(pairs) - len(out)} of {len(pairs)} files of {path} are no image that the box can read")
    if not out:
        raise EvaluationError(f"{path} holds no image that can be read; give a folder or an index of images")
    return out


def _rows(path: Path) -> Iterator[tuple[Path, str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise EvaluationError(f"{path} cannot be read as a CSV index: {error}") from None
    if not rows or "file" not in rows[0]:
        raise EvaluationError(f"{path}: expected a CSV index with the column file")
    for row in rows:
        kind = row.get("kind") or row.get("task_label") or row.get("label") or path.stem
        yield path.parent / row["file"], kind


class _RefusedError(Exception):
    """The text is a key of `REFUSED`."""


_Named = tuple[Path, str, Family]
"""A file, its kind, its family."""


def _of_files(named: Iterable[_Named]) -> list[Other]:
    """The images of files, each with its kind and family; all refused ones are told together.

    Raises:
        EvaluationError: some may say who the patient is. Nothing of a header is quoted.
    """
    out: list[Other] = []
    refused: dict[str, list[Path]] = {}
    for file, kind, family in named:
        try:
            out += (replace(each, family=family) for each in _of_file(file, kind))
        except _RefusedError as error:
            refused.setdefault(str(error), []).append(file)
    if refused:
        raise EvaluationError(
            "\n".join(
                f"{len(files)} DICOM objects refused, the first {files[0]}: {reason}; {REFUSED[reason]}"
                for reason, files in sorted(refused.items())
            )
        )
    return out


def _of_file(file: Path, kind: str) -> list[Other]:
    """The image of a file, by the box's own decoders; of several frames the middle one.

    What cannot be decoded never reaches a model: it gives none.

    Raises:
        _RefusedError: a DICOM object may say who the patient is.
    """
    suffix = file.suffix.lower()
    if suffix in VIDEOS:
        frame = _middle_frame(file)
        return [] if frame is None else [Other(kind, preprocess.to_gray(frame))]
    try:
        data = file.read_bytes()
        if still.looks_like_still(data):
            return [Other(kind, preprocess.to_gray(still.decode(data, DecodeLimits()).frames[0]))]
        if suffix and not looks_like_dicom(file.name, data):
            return []
        opened = _open(data)
        pixels = pixels_of(opened, opened.count // 2 + 1)
    except ObjectError as error:
        if str(error) in REFUSED:
            raise _RefusedError(str(error)) from None
        return []
    except (Undecodable, OSError):
        return []
    return [Other(kind, preprocess.to_gray(np.ascontiguousarray(pixels)), acquisition=opened.acquisition)]


def _open(data: bytes) -> Opened:
    """The one place where an object need not claim that it names nobody.

    The strangers of EDGE_DATA are public test objects, most with invented names in their headers, and are
    known by their content. A hospital's object is not on that list, wherever it lies.
    """
    if sources.set_of(hashlib.sha256(data).hexdigest()) == sources.STRANGERS:
        return dicom.open_(data, DecodeLimits())
    return open_clean(data, DecodeLimits())


def _middle_frame(file: Path) -> NDArray[np.uint8] | None:
    """(H, W, 3) RGB."""
    video = cv2.VideoCapture(str(file))
    video.set(cv2.CAP_PROP_POS_FRAMES, max(0.0, video.get(cv2.CAP_PROP_FRAME_COUNT) // 2))
    read, frame = video.read()
    video.release()
    return np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), np.uint8) if read else None

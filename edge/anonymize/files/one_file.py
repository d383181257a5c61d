"""One file of an archive: DICOM object, still image or video, to its anonymized copy.

Originals are only read. An output has an opaque name, and is written under another name first and
renamed when it is whole.
"""

from __future__ import annotations

import hashlib
import io
import os
import time
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from edge.anonymize.camera.anonymizer import CameraAnonymizer
from edge.anonymize.detectors import Detectors
from edge.anonymize.files import stored
from edge.anonymize.gate import Evidence, Held, Look, Need, Policy, decide
from edge.anonymize.geometry import fill_boxes, fill_flat, paint
from edge.anonymize.headers import clean as headers
from edge.anonymize.headers.remap import Remap
from edge.anonymize.models import DetectorUnavailable
from edge.anonymize.scanner.anonymizer import kept_regions, mask_text
from edge.anonymize.self_test import SelfTest
from edge.imaging import dicom, still
from edge.imaging.decoded import DecodeLimits, Undecodable
from edge.imaging.frames import Acquisition, Pixels, RawFrame
from edge.settings import Anonymize, Source

POLICY = "file-1"
_IMPLEMENTATION = "2.25.302385391843120127634129411184713904921"
"""Implementation Class UID of this product: a UUID made once."""
_STILL_FACE_WIDTH = 640
_VIDEOS = frozenset({".avi", ".gif", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm"})


@dataclass
class FileReport:
    """What became of one file. Holds no patient data: neither names, nor paths, nor header values."""

    number: int
    kind: str = ""
    output: str | None = None
    sha256: str | None = None
    held: str | None = None
    """Why there is no output, or why it lacks frames."""
    frames: int = 0
    frames_held: dict[str, int] = field(default_factory=dict)
    texts: int = 0
    faces: int = 0
    masked_share: float = 0.0


class FileHeld(Exception):  # noqa: N818  # an outcome, as its users name it
    """A file gets no output; the text is the reason, one word of a closed kind."""


class FileAnonymizer:
    """Anonymizes files one by one.

    Args:
        out: folder for the outputs; it exists.
        key: the clinic's key of replacements.
        settings: the section ``[anonymize]``.
        detectors: see `load_detectors`.
        options: of the header profile.
        source: how videos are looked at; their keep-region.
    """

    def __init__(
        self,
        out: Path,
        key: bytes,
        settings: Anonymize,
        detectors: Detectors,
        options: headers.Options,
        source: Source,
    ) -> None:
        self._out = out
        self._key = key
        self._settings = settings
        self._detectors = detectors
        self._options = options
        self._source = source
        self._limits = DecodeLimits()
        self._self_test = SelfTest(detectors, settings.self_test_every, settings.face_width, second=True)
        needs = (Need(detectors.text.name, max_age_ns=0),)
        self._scanner_policy = Policy(POLICY, needs, self._self_test.max_age_ns)
        self._still_policy = Policy(
            POLICY,
            (*needs, *(Need(d.name, max_age_ns=0) for d in (detectors.faces, detectors.second))),
            self._self_test.max_age_ns,
        )

    def run(self, path: Path, number: int) -> FileReport:
        """Anonymize one file. Never raises for what a file holds: the report says what happened."""
        report = FileReport(number)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # pydicom's quote values of the header
                self._run(path, report)
        except FileHeld as held:
            report.held = str(held)
        except Undecodable as error:
            report.held = error.reason
        except DetectorUnavailable:
            report.held = "detector_failed"
        except stored.UnsupportedPixelsError:
            report.held = "unsupported_syntax"
        except OSError as error:
            report.held = f"io_error_{error.errno or 0}"
        except Exception as error:  # noqa: BLE001  # a foreign file may break any parser; the others go on
            report.held = f"failed_{type(error).__name__}"
        return report

    def _run(self, path: Path, report: FileReport) -> None:
        self._self_test.run_if_due(time.monotonic_ns())
        with path.open("rb") as file:
            head = file.read(256)
        if still.looks_like_still(head):
            report.kind = "image"
            self._still(path.read_bytes(), report)
        elif path.suffix.lower() in _VIDEOS and head[128:132] != b"DICM":
            report.kind = "video"
            self._video(path, report)
        else:
            data = path.read_bytes()
            if not _may_be_dicom(head, data):
                report.kind = "unknown"
                raise FileHeld("not a medical file")
            report.kind = "dicom"
            self._dicom(data, report)

    def _dicom(self, data: bytes, report: FileReport) -> None:
        decoded = dicom.decode(data, self._limits)
        original = pydicom.dcmread(io.BytesIO(data), force=True)
        sop_class = UID(str(original.get("SOPClassUID", "")))
        if sop_class.is_private or not sop_class.startswith("1.2.840.10008."):
            raise FileHeld("unknown_layout")
        outside, text = self._scanner_masks(decoded.frames, decoded.acquisition, report)
        values = stored.read(original)
        if values.values.shape[:3] != (len(decoded.frames), *outside.shape):
            raise FileHeld("unreadable")
        stored.fill(values, outside, text, original)
        words = headers.naming_words(original)
        remap = Remap(self._key, headers.patient_of(original))
        result = Dataset()
        for tag in original.keys():  # noqa: SIM118  # iterating gives elements, and would parse each
            if tag != 0x7FE00010:
                result[tag] = original.get_item(tag)
        headers.clean(result, remap, self._options)
        if headers.words_left(_encode_bare(headers.foreign(result)), words):
            raise FileHeld("identity_left")
        stored.write(result, values)
        report.frames = len(decoded.frames)
        self._write(_encode(result), f"{remap.name(data)}.dcm", report)

    def _scanner_masks(
        self, frames: Sequence[Pixels], acquisition: Acquisition, report: FileReport
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """What may not stay: all outside the image region, and text; text in one frame goes in all."""
        rows, columns = frames[0].shape[:2]
        regions = kept_regions(acquisition, rows, columns)
        if regions is None:
            raise FileHeld("unknown_layout")
        outside = np.ones((rows, columns), bool)
        for region in regions:
            outside[region.top : region.bottom, region.left : region.right] = False
        text = np.zeros((rows, columns), bool)
        left = 0
        for image in frames:
            copy = np.array(image)
            copy[outside] = 0
            fill_flat(copy, text & ~outside)
            found = mask_text(copy, self._detectors)
            text |= found.mask
            report.texts += found.texts
            left += found.left
        kept = ~outside
        report.masked_share = float((text & kept).sum() / kept.sum())
        self._decide(self._scanner_policy, report, left, (self._detectors.text,), float(kept.mean()))
        return outside, text

    def _still(self, data: bytes, report: FileReport) -> None:
        frames = still.decode(data, self._limits).frames
        pixels: Pixels = np.array(frames[0])
        looked = (self._detectors.faces, self._detectors.second)
        boxes = [box for detector in looked for box in detector.find(pixels, _STILL_FACE_WIDTH)]
        masks = [box.grown(self._settings.mask_scale) for box in boxes]
        fill_boxes(pixels, masks)
        text = mask_text(pixels, self._detectors)
        mask = text.mask
        paint(mask, masks)
        report.frames, report.faces, report.texts = 1, len(boxes), text.texts
        report.masked_share = float(mask.mean())
        self._decide(self._still_policy, report, text.left, (self._detectors.text, *looked), 1.0)
        done, png = cv2.imencode(".png", pixels if pixels.ndim == 2 else pixels[:, :, ::-1])
        if not done:
            raise FileHeld("unreadable")
        self._write(png.tobytes(), f"{Remap(self._key, '').name(data)}.png", report)

    def _decide(
        self, policy: Policy, report: FileReport, text_left: int, looked: tuple[object, ...], kept: float
    ) -> None:
        reason, ran_ns = self._self_test.state()
        now_ns = time.monotonic_ns()
        evidence = Evidence(
            arrived_ns=now_ns,
            looks=tuple(Look(d.name, d.sha256, 0, 0) for d in looked),  # type: ignore[attr-defined]
            obstacle=None,
            self_test=reason,
            self_test_ns=ran_ns,
            kept_share=kept,
            masked_share=report.masked_share,
            text_left=text_left,
        )
        decision = decide(evidence, policy, now_ns)
        if isinstance(decision, Held):
            raise FileHeld(decision.reason)

    def _video(self, path: Path, report: FileReport) -> None:
        name = f"{Remap(self._key, '').name(_digest(path))}.mp4"
        part = self._out / f".{name}.part.mp4"
        reader = cv2.VideoCapture(str(path))
        rate = reader.get(cv2.CAP_PROP_FPS) or 25.0
        camera = CameraAnonymizer(self._source, self._settings, self._detectors, realtime=False)
        writer: cv2.VideoWriter | None = None
        held: Counter[str] = Counter()
        masked = 0.0
        try:
            more, index = True, 0
            while more:
                more, frame = reader.read()
                if more:
                    at_ns = int(index * 1e9 / rate)
                    image: Pixels = np.asarray(frame[:, :, ::-1], np.uint8)
                    raw = RawFrame(image, "file", index, at_ns, 0, Acquisition())
                    out, index = camera.push(raw), index + 1
                else:
                    out = camera.flush()
                for item in out:
                    if isinstance(item, Held):
                        held[item.reason] += 1
                        continue
                    if writer is None:
                        writer = _writer(part, rate, item.pixels)
                    writer.write(np.ascontiguousarray(item.pixels[:, :, ::-1]))
                    report.frames += 1
                    report.faces = max(report.faces, item.receipt.faces)
                    report.texts = max(report.texts, item.receipt.texts)
                    masked += item.receipt.masked_share
        finally:
            camera.close()
            reader.release()
            if writer is not None:
                writer.release()
        report.frames_held = dict(held)
        report.masked_share = masked / max(1, report.frames)
        if report.frames == 0:
            part.unlink(missing_ok=True)
            raise FileHeld(held.most_common(1)[0][0] if held else "unreadable")
        report.sha256 = hashlib.sha256(part.read_bytes()).hexdigest()
        part.replace(self._out / name)
        report.output = name
        if held:
            report.held = "some_frames"

    def _write(self, data: bytes, name: str, report: FileReport) -> None:
        part = self._out / f".{name}.part"
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(self._out / name)
        report.output, report.sha256 = name, hashlib.sha256(data).hexdigest()


def _digest(path: Path) -> bytes:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.digest()


def _writer(path: Path, rate: float, first: Pixels) -> cv2.VideoWriter:
    """A video of frames of the size of ``first``; OpenCV says nothing of its own if it cannot write."""
    rows, columns = first.shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), rate, (columns, rows))
    if not writer.isOpened():
        writer.release()
        path.unlink(missing_ok=True)
        raise FileHeld("cannot_write_video")
    return writer


def _may_be_dicom(head: bytes, data: bytes) -> bool:
    """Whether a file has the mark of PS3.10, or parses as a data set that names its SOP class."""
    if head[128:132] == b"DICM":
        return True
    try:
        header = pydicom.dcmread(io.BytesIO(data), force=True, specific_tags=["SOPClassUID"])
        return bool(UID(str(header.get("SOPClassUID", ""))).is_valid and header.get("SOPClassUID"))
    except Exception:  # noqa: BLE001  # a foreign file may break the parser in any way: then it is none
        return False


def _encode_bare(dataset: Dataset) -> bytes:
    """The data set alone, in Explicit VR Little Endian."""
    buffer = io.BytesIO()
    dataset.save_as(buffer, implicit_vr=False, little_endian=True, enforce_file_format=False)
    return buffer.getvalue()


def _encode(dataset: Dataset) -> bytes:
    """PS3.10 file in Explicit VR Little Endian, with file meta information and preamble of our own."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(_IMPLEMENTATION)
    meta.ImplementationVersionName = "EDGE"
    dataset.file_meta = meta
    dataset.preamble = b"\0" * 128
    buffer = io.BytesIO()
    dataset.save_as(buffer, implicit_vr=False, little_endian=True, enforce_file_format=True)
    return buffer.getvalue()

"""One file of an archive: DICOM object, still image or video, to its anonymized copy."""

from __future__ import annotations

import hashlib
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from edge.anonymize.detectors import Detectors
from edge.anonymize.files import dicom_object, kinds, original, picture, staged, stored, video
from edge.anonymize.files.head_series import HeadSeries
from edge.anonymize.files.names import Names
from edge.anonymize.files.original import Original
from edge.anonymize.files.report import FileHeld, FileReport, io_reason
from edge.anonymize.gate import Evidence, Held, Look, Policy, decide
from edge.anonymize.headers import clean as headers
from edge.anonymize.headers.remap import Remap
from edge.anonymize.models import DetectorUnavailable
from edge.anonymize.scanner.anonymizer import still_policy
from edge.anonymize.scanner.regions import kept_regions
from edge.anonymize.self_test import SelfTest
from edge.anonymize.text.evidence import Trust
from edge.imaging.decoded import DecodeLimits, Undecodable
from edge.settings import Anonymize, Scanner, Source

POLICY = "file-4"


@dataclass(frozen=True)
class How:
    """How files are anonymized, the same for all of a run."""

    key: bytes
    settings: Anonymize
    options: headers.Options
    source: Source
    """How videos are looked at; their keep-region."""
    most_bytes: int
    """Largest original that is read into memory."""
    scanners: tuple[Scanner, ...] = ()
    """Scanners of whose images a part is kept."""


class FileAnonymizer:
    """Anonymizes files one by one.

    Args:
        how: the same for all files.
        detectors: see `load_detectors`.
        beat: called from time to time while a file is worked on.
        trust: whether detectors may decide over whole frames; None for what the shipped proof says. The
            bench that makes the proof trusts them with all.
    """

    def __init__(
        self,
        how: How,
        detectors: Detectors,
        beat: Callable[[], None],
        trust: Trust | None = None,
    ) -> None:
        self._how = how
        self._detectors = detectors
        self._beat = beat
        self._names = Names(how.key)
        self._limits = DecodeLimits()
        self._trust = trust or Trust.of(how.settings.scripts, detectors.texts)
        self._keeps = partial(kept_regions, trust=self._trust, scanners=how.scanners)
        self._heads = HeadSeries(detectors.second, how.most_bytes, beat)
        self._self_test = SelfTest(
            detectors, how.settings.self_test_every, how.settings.face_width, second=True
        )
        self._scanner_policy = still_policy(POLICY, detectors.texts, self._self_test)
        self._picture_policy = still_policy(POLICY, detectors.thorough, self._self_test)

    def self_test(self) -> str | None:
        """Look for the known face and the known text if it is time; why nothing may leave, or None."""
        self._self_test.run_if_due(time.monotonic_ns())
        return self._self_test.state()[0]

    def run(self, path: Path, number: int, copy: Path) -> FileReport:
        """Anonymize one file. Never raises for what a file holds: the report says what happened.

        Args:
            path: the original.
            number: for the report.
            copy: where the copy is written; the report says where it belongs. What lies there
                without ``output`` in the report is no copy.

        Raises:
            OutputFailed: ``copy`` cannot be written.
        """
        report = FileReport(number)
        started = time.monotonic()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # pydicom's quote values of the header
                with original.opened(path) as opened:
                    report.state = self._names.state(opened.size, opened.mtime_ns)
                    self._run(path, opened, report, copy)
        except FileHeld as held:
            report.reason = str(held)
        except staged.OutputFailed:
            raise
        except Undecodable as error:
            report.reason = error.reason
        except DetectorUnavailable:
            report.reason = "detector_failed"
        except stored.UnsupportedPixelsError:
            report.reason = "unsupported_pixels"
        except MemoryError:
            report.reason = "too_large"
        except OSError as error:
            report.reason = io_reason(error)
        except Exception as error:  # noqa: BLE001  # a foreign file may break any parser; the others go on
            report.reason = f"failed_{type(error).__name__}"
        if report.reason is not None and report.outcome != "partial":
            report.outcome, report.output = "held", None
        report.seconds = round(time.monotonic() - started, 3)
        return report

    def _run(self, path: Path, opened: Original, report: FileReport, copy: Path) -> None:
        self.self_test()
        report.kind, reason = kinds.by_head(opened.head())
        if reason is not None or report.kind == "video":  # not read into memory, whatever their size
            sha256 = opened.sha256(self._beat)
            report.content = self._names.content(sha256)
            opened.check_unchanged()
            if reason is not None:
                raise FileHeld(reason)
            self._video(opened, sha256, report, copy)
            return
        data = opened.read(self._how.most_bytes)
        sha256 = hashlib.sha256(data).digest()
        report.content = self._names.content(sha256)
        opened.check_unchanged()
        if report.kind == "image":
            self._picture(data, sha256, report, copy)
        else:
            self._dicom(path, data, sha256, report, copy)

    def _dicom(self, path: Path, data: bytes, sha256: bytes, report: FileReport, copy: Path) -> None:
        marked = report.kind == "dicom"
        try:
            header = dicom_object.read_header(data, marked=marked)
        except dicom_object.NotDicomError:
            raise FileHeld("unknown_type") from None
        report.kind = "dicom"
        cut_of = partial(self._heads.cut, path, header)
        removing = self._how.options.clean_recognizable_visual_features
        looked = dicom_object.look(
            data, header, self._limits, self._detectors, self._beat, cut_of if removing else None, self._keeps
        )
        report.defaced = looked.cut is not None
        report.frames, report.texts = looked.burned_in.frames, looked.burned_in.texts
        report.masked_share = looked.masked_share
        evidence = self._evidence(
            self._detectors.texts, looked.kept_share, looked.masked_share, looked.burned_in.left
        )
        self._decide(evidence, self._scanner_policy)
        remap = Remap(self._how.key, headers.patient_of(header))
        written = staged.write(copy, dicom_object.encode(looked, remap, self._how.options))
        self._done(written, self._names.dicom(header, remap, sha256), report)

    def _picture(self, data: bytes, sha256: bytes, report: FileReport, copy: Path) -> None:
        if not self._trust.covers():
            raise FileHeld("unproved_script")
        clean = picture.clean(data, self._limits, self._detectors, self._how.settings.mask_scale)
        report.frames, report.faces, report.texts = 1, clean.faces, clean.texts
        report.masked_share = clean.masked_share
        looked = self._detectors.thorough
        self._decide(self._evidence(looked, 1.0, clean.masked_share, clean.left), self._picture_policy)
        written = staged.write(copy, [picture.encode(clean.pixels)])
        self._done(written, self._names.image(sha256), report)

    def _video(self, opened: Original, sha256: bytes, report: FileReport, copy: Path) -> None:
        how = self._how
        if how.source.blind_because() is not None:
            raise FileHeld("no_keep_region")
        video.anonymize(
            f"/proc/self/fd/{opened.fd}", copy, report, how.source, how.settings, self._detectors, self._beat
        )
        opened.check_unchanged()
        self._done(staged.adopt(copy), self._names.video(sha256), report)
        if report.frames_held:
            report.outcome, report.reason = "partial", "some_frames"

    def _evidence(self, looked: tuple[object, ...], kept: float, masked: float, left: int) -> Evidence:
        reason, ran_ns = self._self_test.state()
        return Evidence(
            arrived_ns=time.monotonic_ns(),
            looks=tuple(Look(d.name, d.sha256, 0, 0) for d in looked),  # type: ignore[attr-defined]
            obstacle=None,
            self_test=reason,
            self_test_ns=ran_ns,
            kept_share=kept,
            masked_share=masked,
            text_left=left,
        )

    @staticmethod
    def _decide(evidence: Evidence, policy: Policy) -> None:
        decision = decide(evidence, policy, time.monotonic_ns())
        if isinstance(decision, Held):
            raise FileHeld(decision.reason)

    @staticmethod
    def _done(written: staged.Copy, output: str, report: FileReport) -> None:
        report.outcome, report.output = "written", output
        report.sha256, report.bytes = written.sha256, written.bytes

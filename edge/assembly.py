"""One box, put together from its settings: every part that it needs, checked before it is used."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

from edge import __version__
from edge.anonymize.camera.anonymizer import CameraAnonymizer
from edge.anonymize.consent.sight import Sight, sight_of
from edge.anonymize.consent.switch import make_switch
from edge.anonymize.detectors import Detectors, load_detectors
from edge.anonymize.layout.screen import ScreenAnonymizer
from edge.anonymize.layout.still import still_of
from edge.anonymize.proof.budget import Budget
from edge.anonymize.proof.examiner import Examiner, Watch
from edge.anonymize.proof.scanner_canary import ScannerCanary
from edge.anonymize.proof.screen_canary import ScreenCanary
from edge.anonymize.scanner.anonymizer import ScannerAnonymizer
from edge.anonymize.self_test import SelfTest
from edge.anonymize.text.evidence import Trust
from edge.classify.classifier import Classifier, ModelError, load_classifier
from edge.classify.finding import FindingMaker
from edge.enroll import SIGNING_KEY
from edge.health.clock import StoredTime
from edge.imaging.bundle import Bundle, BundleError
from edge.imaging.frames import Acquisition, CleanFrame, Pixels
from edge.messages import SourceProof
from edge.pipeline.directory import ManifestDirectory, unix_ms
from edge.pipeline.figures import Figures
from edge.pipeline.gates import Gates
from edge.pipeline.layouts import Layouts, LayoutVersions, tell_layout
from edge.pipeline.leaks import LeakDesk
from edge.pipeline.live import CameraAnonymizer as CameraGate
from edge.pipeline.post import Post
from edge.pipeline.receipts import ReceiptMaker
from edge.pipeline.scanner import STREAM
from edge.pipeline.scanner import ScannerAnonymizer as ScannerGate
from edge.pipeline.series import SeriesDesk
from edge.settings import Inbox, Settings, SettingsError, Source
from edge.store.inbox import InboxReader
from edge.store.inbox_crypto import load_private
from edge.store.leaks import LeakLedger
from edge.store.partial import PartialSeries
from edge.store.quarantine import Quarantine, QuarantineLimits
from edge.store.seen import Handles
from edge.store.spool import Spool
from edge.wire.keys import KeyFileError, SigningKey, VerifyKey

_REMEMBER_OBJECTS = 30 * 86_400.0
"""Seconds of running time for which a study keeps its handle and a re-sent object is recognized."""


class NotReadyError(Exception):
    """A part of the box is not there; the message says which, and what to do."""


class Box:
    """The parts of one box.

    The factories (`gates`, `scanner_gate`, `camera_gate`) are where a test puts a part of its own;
    ``on_clean`` sees each frame that passed the gate.

    Raises:
        SettingsError: a key is missing or of the wrong kind.
        NotReadyError: the model is missing, altered, or does not reproduce its golden outputs.
    """

    gates: type[Gates] = Gates

    def __init__(self, settings: Settings, on_clean: Callable[[CleanFrame], None] | None = None) -> None:
        self.settings = settings
        self.figures = Figures()
        state = settings.box.state
        self._alone = _lock(state / ".daemon")
        self.clock = StoredTime(state / "clock")
        self.signer, root = _keys(settings)
        self.directory = ManifestDirectory(
            settings.clinic.manifest, root, settings.box.site, state / "manifest.version", self.known_ms
        )
        self._take_time_from_manifest()
        self.bundle, self.model = _model(settings)
        self.detectors: Detectors = load_detectors(settings.anonymize)
        if self.detectors.problems:
            raise NotReadyError("; ".join(self.detectors.problems))
        self._switch = make_switch(settings.privacy_switch)
        self.spool = Spool(
            state / "spool.db",
            settings.spool.max_bytes,
            settings.spool.max_age,
            resend_after=settings.broker.resend_after,
        )
        self.handles = Handles(state / "handles.db", _local_key(settings, "handles.key"), _REMEMBER_OBJECTS)
        disk_key = load_private(state / "keys" / "disk.key")
        self.quarantine = Quarantine(state / "quarantine", disk_key, quarantine_limits(settings.inbox))
        self.quarantine.clean()
        self.inbox = InboxReader(state / "inbox", disk_key, self.quarantine)
        receipts = ReceiptMaker(self.signer, __version__, self.bundle.digest, settings.anonymization_digest())
        self.post = Post(
            settings.box, self.signer, self.directory, self.spool, self.clock.trust, self.figures, receipts
        )
        self.rules = self.gates(
            settings.quality,
            self.bundle.intended_use,
            FindingMaker(self.bundle, self.model),
            self.figures,
            on_clean,
        )
        self.leaks = LeakDesk(
            LeakLedger(state),
            Budget(settings.proof.leak_budget, settings.proof.leak_window),
            self.quarantine.put,
            unix_ms,
        )
        self._examiner = Examiner(
            settings.anonymize, settings.proof, self.detectors, self.leaks, self.figures
        )
        self._watches: dict[str, Watch] = {}
        self._versions = LayoutVersions(state / "layouts.json")
        self._layouts = {source.name: self._layouts_of(source) for source in settings.source}
        self.screens: dict[str, ScreenAnonymizer] = {}
        """The gates of grabbers, by source."""
        self._partial = PartialSeries(state / "series.db", _local_key(settings, "series.key"))
        self.series = SeriesDesk(settings.series, self._partial, self.spool, self.post)

    def known_ms(self) -> int | None:
        """Unix milliseconds; on an untrusted clock the last time stored, which is past; else None."""
        if self.clock.trust() == "trusted":
            return unix_ms()
        stored = self.clock.read()
        return None if stored is None else int(stored * 1000)

    def _take_time_from_manifest(self) -> None:
        """The root's signature vouches that the manifest's date is past: no real time is before it."""
        manifest = self.directory.current()
        if manifest is not None:
            self.clock.write(manifest.issued_ms / 1000)

    def scanner_gate(self) -> ScannerGate:
        """The anonymization gate for scanner frames."""

        def singer(_: SelfTest, key: int) -> ScannerCanary:
            return ScannerCanary(gate.again, self.detectors, key)

        self._watches[STREAM] = self._examiner.watch_still(STREAM, singer)
        gate = ScannerAnonymizer(
            self.settings.anonymize,
            self.detectors,
            scanners=self.settings.scanner,
            witness=self._watches[STREAM],
        )
        return gate

    def camera_gate(self, source: Source) -> CameraGate:
        """The anonymization gate for one camera, video or grabber."""
        if source.looks_at == "screen":
            self.screens[source.name] = gate = self._screen_gate(source)
            return gate
        self._watches[source.name] = self._examiner.watch(source)
        return CameraAnonymizer(
            source,
            self.settings.anonymize,
            self.detectors,
            realtime=is_realtime(source),
            clock=time.monotonic_ns,
            sight=self.sight(source),
            witness=self._watches[source.name],
        )

    def proof(self, source: str) -> SourceProof | None:
        """What the standing proof knows of a source; None if it has none."""
        watch = self._watches.get(source)
        if watch is None:
            return None
        spent, latched, since_ms = self.leaks.account(source)
        return SourceProof(
            latched=latched,
            latched_ms=since_ms,
            unproven=watch.unproven(),
            disagreements=spent,
            budget=self.leaks.budget.most,
            second_looks=watch.second_looks,
            faces=watch.faces,
            texts=watch.texts,
        )

    def sight(self, source: Source) -> Sight:
        """Whether a source may see now, by its consent mode and the privacy switch."""
        return sight_of(source, self._switch)

    def _screen_gate(self, source: Source) -> ScreenAnonymizer:
        def singer(_: SelfTest, key: int) -> ScreenCanary:
            return ScreenCanary(source.name, gate.again, self.detectors, key)

        self._watches[source.name] = self._examiner.watch_still(source.name, singer)
        gate = ScreenAnonymizer(
            source,
            self.settings.anonymize,
            self.detectors,
            self._layouts[source.name].current,
            keep=lambda raw: self.quarantine.put("unknown_layout", source.name, raw),
            tell=lambda news: tell_layout(self.post, news),
            realtime=is_realtime(source),
            clock=time.monotonic_ns,
            witness=self._watches[source.name],
        )
        return gate

    def _layouts_of(self, source: Source) -> Layouts:
        return Layouts(source.layouts, self.settings.box.site, self.directory.current, self._versions)

    def still(self, source: Source) -> Callable[[Pixels], Acquisition]:
        """What a picture of a watched folder shows, and what of it is kept."""
        return still_of(source, self._layouts[source.name].current)

    def problems(self) -> list[str]:
        """What keeps the box from its work, in words for whoever looks at its status."""
        reason = self.directory.reason
        found = [] if reason is None else [f"the clinic's manifest is {reason}"]
        missing = Trust.of(self.settings.anonymize.scripts, self.detectors.texts).missing()
        if missing and not self.detectors.problems:
            found.append(
                f"anonymize.scripts: the text detectors are not proved to find {', '.join(missing)}, so of "
                "scanner objects only declared regions, layouts and what [[scanner]] says are kept"
            )
        for layouts in self._layouts.values():
            found += layouts.problems
        return found

    def close(self) -> None:
        """Close the model and the files, once nothing uses them any more."""
        if self._switch is not None:
            self._switch.close()
        self._examiner.stop()
        self.leaks.close()
        self.model.close()
        self.spool.close()
        self.handles.close()
        self._partial.close()
        os.close(self._alone)


def _lock(path: Path) -> int:
    """Keep a second daemon, or a bench beside the service, away from this box's state."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise NotReadyError(
            f"another process runs this box ({path.parent}); stop edge.service first"
        ) from None
    return handle


def quarantine_limits(inbox: Inbox) -> QuarantineLimits:
    """The bounds of the quarantine, by the settings."""
    return QuarantineLimits(
        inbox.quarantine_max_bytes, inbox.quarantine_max_objects, inbox.quarantine_max_age
    )


def is_realtime(source: Source) -> bool:
    """Whether the newest frame wins; a video without a pace waits instead, and nothing is dropped."""
    return source.kind == "camera" or source.pace == "real"


def _keys(settings: Settings) -> tuple[SigningKey, VerifyKey]:
    try:
        return SigningKey.load(settings.box.keys / SIGNING_KEY), VerifyKey.load(settings.clinic.root_key)
    except KeyFileError as error:
        raise SettingsError(f"{error}; make the box's keys and join a clinic with: edge init-box") from error


def _local_key(settings: Settings, name: str) -> bytes:
    """A key that never leaves this box, made at its first use: 32 random bytes, owner-only."""
    path: Path = settings.box.state / "keys" / name
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        key = path.read_bytes()
        if len(key) != 32:
            raise SettingsError(f"{path}: expected 32 bytes; the file is damaged") from None
        return key
    with os.fdopen(handle, "wb") as file:
        file.write(os.urandom(32))
        file.flush()
        os.fsync(file.fileno())
    return path.read_bytes()


def _model(settings: Settings) -> tuple[Bundle, Classifier]:
    try:
        bundle = Bundle.load(settings.model.bundle, settings.model.trusted_root, datetime.now(timezone.utc))
        return bundle, load_classifier(settings.model, bundle)
    except (BundleError, ModelError) as error:
        raise NotReadyError(str(error)) from error

"""What was held back and a person may want to look at: sealed, bounded, erased with its key.

A directory of `edge.store.objects`, each named ``<id>.<reason>``: scanner objects as they came (``dicom``,
``still``), and single frames (``frame``) that a gate stopped or a second look objected to. All are sealed to
the box's disk key. What a person released waits in a directory beside it for the daemon, which anonymizes
it again. Each erasure and each release is a line of the audit log (`edge.store.audit`): a person's before it
is done; those by the bounds as far as the disk allows, since erasing is what mends a full one.
"""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import cbor2
import numpy as np

from edge.imaging.frames import Acquisition, CleanFrame, Pixels, RawFrame
from edge.messages import SuppressReason
from edge.store import audit, objects
from edge.store import inbox_crypto as crypto
from edge.store.objects import ID, NEW, Damaged, Item

log = logging.getLogger(__name__)

QuarantineReason = Literal["damaged", SuppressReason]
_REASONS = frozenset(("damaged", *get_args(SuppressReason)))
AUDIT = "quarantine.audit"
"""Name of the audit log, beside the directory."""

Deed = Literal["show", "release", "discard"]
Bound = Literal["bytes", "objects", "age"]


@dataclass(frozen=True)
class QuarantineLimits:
    """Bounds; what is oldest goes first, and the newest alone never goes."""

    max_bytes: int = 2 << 30
    max_objects: int = 1000
    max_age: float = 30 * 86_400.0
    """Seconds."""


@dataclass(frozen=True)
class Entry:
    """One object as it may be listed: nothing of what it shows, and no name from inside it."""

    id: bytes
    reason: str
    kind: str
    """``dicom``, ``still``, ``frame``; ``damaged`` if it cannot be opened."""
    source: str
    received_ms: int
    bytes: int
    released: bool


class Quarantine:
    """One quarantine. Threads may call at once; a person's command may run beside the daemon.

    Args:
        directory: made owner-only if it is not there; destructions that a kill cut short are ended.
        private_key: the box's disk key.
        limits: see `QuarantineLimits`.
        now_ms: Unix milliseconds.

    Raises:
        OSError: the directory cannot be made or read.
    """

    def __init__(
        self,
        directory: Path,
        private_key: crypto.DiskPrivateKey,
        limits: QuarantineLimits | None = None,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._directory, self._released = directory, directory.with_name(directory.name + ".released")
        self._key, self._limits, self._now_ms = private_key, limits or QuarantineLimits(), now_ms
        self._lock = threading.RLock()
        self.audit_log = directory.with_name(AUDIT)
        for place in (self._directory, self._released):
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            objects.finish_destructions(place)

    def clean(self) -> None:
        """Remove what was being written when the daemon was killed; the daemon's to call, at its start."""
        for name in objects.names(self._directory):
            if name.startswith(NEW):
                shutil.rmtree(self._directory / name, ignore_errors=True)

    # --- in ---------------------------------------------------------------------------------------

    def put(self, reason: QuarantineReason, source: str, frame: RawFrame | CleanFrame) -> bytes | None:
        """Seal one frame, with its pixels, and make it last. The caller still owns the frame.

        Args:
            reason: why it is kept.
            source: name of the source in the settings.
            frame: as captured, or as it passed the gate if a later look objected.

        Returns:
            Its id, 16 bytes; None if the disk refused it: then the frame is held back, and not kept.
        """
        _check(reason)
        now_ms = self._now_ms()
        object_id = objects.new_id(now_ms)
        data = cbor2.dumps(
            {
                "index": frame.index,
                "captured_ms": frame.captured_ms,
                "modality": frame.acquisition.modality,
                "body_part": frame.acquisition.body_part,
                "shape": list(frame.pixels.shape),
                "pixels": frame.pixels.tobytes(),
            }
        )
        name = object_id.hex()
        head = objects.head_of("frame", source, now_ms, len(data))
        new, place = self._directory / f"{NEW}{name}", self._directory / f"{name}.{reason}"
        with self._lock:
            try:
                objects.write(new, place, self._key.public_key(), object_id, head, data)
            except OSError as error:
                log.error("a frame was not kept in quarantine: %s", type(error).__name__)
                return None
            self._shrink()
        return object_id

    def adopt(self, folder: Path, object_id: bytes, reason: QuarantineReason) -> None:
        """Take a sealed object of the inbox over by a rename; one that is not there any more is no error."""
        _check(reason)
        with self._lock:
            try:
                folder.rename(self._directory / f"{object_id.hex()}.{reason}")
            except FileNotFoundError:
                return
            crypto.sync_directory(self._directory)
            crypto.sync_directory(folder.parent)
            self._shrink()

    def _shrink(self) -> None:
        waiting = sorted(self._waiting(self._directory))
        left, used = len(waiting), objects.counts(self._directory).bytes
        for name in waiting[:-1]:
            why: Bound = "bytes" if used > self._limits.max_bytes else "objects"
            if why == "objects" and left <= self._limits.max_objects:
                return
            used, left = used - objects.size(self._directory / name), left - 1
            self._erase(self._directory / name, why)

    def expire(self) -> None:
        """Erase what is too old; to be called now and then, and only while the clock is trusted."""
        oldest = self._now_ms() - int(self._limits.max_age * 1000)
        with self._lock:
            for folder in self._all():
                if int(folder.name[:16], 16) < oldest:
                    self._erase(folder, "age")

    def _erase(self, folder: Path, why: Bound) -> None:
        objects.destroy(folder)
        log.warning("an object in quarantine was erased: %s", why)
        try:
            audit.append(self.audit_log, {**self._line(folder.name), "what": "erase", "by": why})
        except OSError as error:
            log.error("an erasure was not noted in the audit log: %s", type(error).__name__)

    # --- what is there ------------------------------------------------------------------------------

    def entries(self) -> list[Entry]:
        """All that is there, oldest first."""
        return [entry for folder in self._all() if (entry := self._entry(folder)) is not None]

    def reasons(self) -> dict[str, int]:
        """How many are there by reason."""
        return dict(Counter(_reason(folder.name) for folder in self._all()))

    def open(self, object_id: bytes) -> Item:
        """Decrypt one object.

        Raises:
            KeyError: no such object.
            Damaged: it cannot be opened.
        """
        return objects.open_(self._find(object_id), self._key, object_id)

    def _entry(self, folder: Path) -> Entry | None:
        object_id = bytes.fromhex(folder.name[:32])
        kind, source, received_ms = "damaged", "", int.from_bytes(object_id[:8], "big")
        try:
            kind, source, received_ms = objects.glance(folder, self._key, object_id)
        except KeyError:
            return None
        except Damaged:
            pass
        released = folder.parent == self._released
        size = objects.size(folder)
        return Entry(object_id, _reason(folder.name), kind, source, received_ms, size, released)

    def _all(self) -> list[Path]:
        places = (self._directory, self._released)
        return sorted(
            (place / name for place in places for name in self._waiting(place)), key=lambda p: p.name
        )

    @staticmethod
    def _waiting(directory: Path) -> Iterator[str]:
        return (name for name in objects.names(directory) if ID.match(name))

    def _find(self, object_id: bytes) -> Path:
        for folder in self._all():
            if folder.name.startswith(object_id.hex()):
                return folder
        raise KeyError(object_id.hex())

    # --- by a person --------------------------------------------------------------------------------

    def note(self, object_id: bytes, what: Deed, by: str) -> None:
        """Write what a person is about to do to one object into the audit log.

        Raises:
            KeyError: no such object.
            OSError: it cannot be written; then it must not be done.
        """
        line = self._line(self._find(object_id).name)
        audit.append(self.audit_log, {**line, "what": what, "by": by})

    def discard(self, object_id: bytes, by: str) -> None:
        """Erase one object, its key first, and note who did. Raises as `note` does."""
        with self._lock:
            self.note(object_id, "discard", by)
            objects.destroy(self._find(object_id))

    def release(self, object_id: bytes, by: str, inbox: Path) -> None:
        """Have one object anonymized again, and note who did. Nothing leaves that does not pass then.

        A scanner object goes back into ``inbox``, on the same file system; a frame waits for the daemon.
        Raises as `note` does, and ``Damaged`` for what cannot be opened.
        """
        with self._lock:
            folder = self._find(object_id)
            kind, _, _ = objects.glance(folder, self._key, object_id)
            self.note(object_id, "release", by)
            place = self._released / folder.name if kind == "frame" else inbox / object_id.hex()
            folder.rename(place)
            crypto.sync_directory(place.parent)
            crypto.sync_directory(folder.parent)

    def _line(self, name: str) -> dict[str, str | int | bool | None]:
        return {"at_ms": self._now_ms(), "id": name[:32], "reason": _reason(name)}

    # --- by the daemon ------------------------------------------------------------------------------

    def released(self) -> list[bytes]:
        """Ids of the frames that a person released, oldest first."""
        return [bytes.fromhex(name[:32]) for name in sorted(self._waiting(self._released))]

    def settle(self, object_id: bytes, held: QuarantineReason | None) -> None:
        """End a release: erase what passed, or take it back under the reason for which it was held.

        Raises:
            KeyError: no such object any more.
            OSError: the disk refuses; the release stands and is tried again.
        """
        with self._lock:
            folder = self._find(object_id)
            line = {**self._line(folder.name), "what": "settle", "by": "box", "held": held}
            audit.append(self.audit_log, line)
            if held is None:
                objects.destroy(folder)
            else:
                folder.rename(self._directory / f"{object_id.hex()}.{held}")
                crypto.sync_directory(self._directory)
                crypto.sync_directory(self._released)


def as_frame(item: Item, captured_ns: int) -> RawFrame:
    """The frame in an opened object of kind ``frame``, at ``captured_ns`` of CLOCK_MONOTONIC.

    Raises:
        Damaged: there is no frame in it.
    """
    try:
        kept = cbor2.loads(bytes(item.data))
        pixels: Pixels = np.frombuffer(kept["pixels"], np.uint8).reshape(kept["shape"])
        acquisition = Acquisition(modality=str(kept["modality"]), body_part=str(kept["body_part"]))
        index, captured_ms = int(kept["index"]), int(kept["captured_ms"])
    except (cbor2.CBORError, KeyError, TypeError, ValueError) as error:
        raise Damaged("there is no frame in the object") from error
    return RawFrame(pixels, item.source, index, captured_ns, captured_ms, acquisition)


def _check(reason: str) -> None:
    if reason not in _REASONS:
        raise ValueError("expected a reason of the closed list")


def _reason(name: str) -> str:
    return name.partition(".")[2]

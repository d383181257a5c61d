"""Whom the box answers to, by the clinic's manifest, read again whenever the file changes.

The highest version ever accepted is kept on disk: an older manifest, put back by whoever reaches the
file, is refused even after a restart (threat model, T11).
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from edge.pipeline.post import NoRecipientError
from edge.wire.keys import Recipient, VerifyKey
from edge.wire.manifest import Manifest, ManifestError

log = logging.getLogger(__name__)


class ManifestDirectory:
    """The manifest in force.

    Args:
        path: the signed manifest.
        root: the clinic root's public key, pinned at enrolment.
        site: this box's site.
        version_file: where the highest accepted version is kept.
        known_ms: Unix milliseconds, or a time that is surely past; None if nothing is known of the time.
    """

    def __init__(
        self, path: Path, root: VerifyKey, site: str, version_file: Path, known_ms: Callable[[], int | None]
    ) -> None:
        self._path, self._root, self._site = path, root, site
        self._version_file, self._known_ms = version_file, known_ms
        self._lock = threading.Lock()
        self._stamp: tuple[int, int] | None = None
        self._manifest: Manifest | None = None
        self.reason: str | None = "missing"
        """Why there is no manifest in force, or None."""

    def current(self) -> Manifest | None:
        """The manifest in force, or None (see ``reason``)."""
        with self._lock:
            try:
                status = self._path.stat()
                stamp = (status.st_mtime_ns, status.st_ino)
                if stamp != self._stamp:
                    self._manifest = self._read()
                    self._stamp = stamp
            except OSError:
                self._manifest, self._stamp, self.reason = None, None, "missing"
            manifest = self._manifest
            now = self._known_ms()
            if manifest is not None and now is not None and now >= manifest.expires_ms:
                self.reason = "expired"
                return None
            return manifest

    def _read(self) -> Manifest | None:
        known = self._known_version()
        try:
            manifest = Manifest.verify(
                self._path.read_bytes(), self._root, known, self._known_ms(), self._site
            )
        except ManifestError as error:
            self.reason = error.reason
            log.error("the clinic's manifest was refused: %s", error.reason)
            return None
        if manifest.version > known:
            self._keep_version(manifest.version)
        self.reason = None
        log.info("the clinic's manifest, version %d, is in force", manifest.version)
        return manifest

    def _known_version(self) -> int:
        try:
            return int(self._version_file.read_text(encoding="ascii"))
        except FileNotFoundError:
            return 0
        except ValueError:
            # Half a number cannot come from the atomic write below: somebody wrote here.
            log.error("%s is damaged; no manifest is accepted until it is removed", self._version_file.name)
            return 1 << 62

    def _keep_version(self, version: int) -> None:
        temporary = self._version_file.with_suffix(".new")
        with temporary.open("w", encoding="ascii") as file:
            file.write(str(version))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._version_file)

    def receivers(self) -> list[Recipient]:
        """To whom results are sealed.

        Raises:
            NoRecipientError: there is no valid manifest, or it names no receiver.
        """
        manifest = self.current()
        recipients = manifest.recipients() if manifest else []
        if not recipients:
            raise NoRecipientError
        return recipients

    def custodian(self) -> Recipient:
        """To whom identities are sealed; raises `NoRecipientError` likewise."""
        manifest = self.current()
        custodian = manifest.custodian() if manifest else None
        if custodian is None:
            raise NoRecipientError
        return custodian

    def ack_keys(self) -> list[VerifyKey]:
        """Whose acknowledgements count; none without a valid manifest."""
        manifest = self.current()
        return manifest.ack_keys() if manifest else []


def unix_ms() -> int:
    """Unix time in milliseconds."""
    return time.time_ns() // 1_000_000

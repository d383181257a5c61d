"""The receiver: open, verify, store, commit, then acknowledge; in this order, whatever happens.

Kill it at any moment. What was not committed was acknowledged to nobody: the broker gives it again,
or the box sends it again. What was committed comes at most as a duplicate, which changes nothing and
is acknowledged once more.
"""

from __future__ import annotations

import logging
import queue
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from edge.clinic import keyring
from edge.clinic.examine import AnyBody, Examined, Refused, examine_result, examine_state, read_evidence
from edge.clinic.link import open_session
from edge.clinic.pki import role_name
from edge.clinic.places import MANIFEST, ClinicError, current_manifest, read_config, role_folder
from edge.clinic.vault import StreamKey, Vault
from edge.flag import Flag
from edge.messages import Acknowledgement, Body, DeviceState
from edge.wire import pem
from edge.wire.ack import sign_ack
from edge.wire.events import Arrived, Connected
from edge.wire.keys import PrivateKey, SigningKey
from edge.wire.manifest import Manifest
from edge.wire.session import SessionError
from edge.wire.topics import Topics, site_filter

VAULT = "vault.sqlite"
_BATCH = 100
"""Most messages of one transaction; one fsync for all of them."""
_ACK_EXPIRY_S = 86_400
_PATIENCE_S = 0.25

_log = logging.getLogger(__name__)


class Observer:
    """What a receiver tells while it works. All of it is called from the thread of `Receiver.run`."""

    def result(self, body: Body | AnyBody, arrived_ms: int) -> None:
        """A new body was committed, in the order of arrival."""

    def in_order(self, body: Body | AnyBody, arrived_ms: int) -> None:
        """A body that is committed, in the order of its stream, none ahead of a hole.

        Each comes once; after a crash the last few may come again.
        """

    def state(self, state: DeviceState) -> None:
        """A box told its state."""

    def turn(self, tally: Tally) -> None:
        """Called after each batch and at least four times a second."""


@dataclass
class Tally:
    """What the receiver has seen since it started."""

    stored: int = 0
    duplicates: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    missing: dict[StreamKey, list[tuple[int, int]]] = field(default_factory=dict)
    """Holes by stream: numbers that may still come."""
    connected: bool = False
    trouble: str = ""


class ManifestFile:
    """The manifest of a role's folder, read again when the file changes.

    The version only rises, over restarts too (see `current_manifest`).
    """

    def __init__(self, folder: Path) -> None:
        """Read it.

        Raises:
            ClinicError: missing, expired, rolled back, or not signed by the clinic's root.
        """
        self._folder, self._config = folder, read_config(folder)
        self._seen = self._stamp()
        self._manifest = current_manifest(folder, self._config, _now_ms())
        self.trouble = ""

    def current(self) -> Manifest:
        """Return the manifest in force; a changed file that is refused changes nothing but `trouble`.

        Raises:
            ClinicError: it expired, and no newer one is here.
        """
        stamp = self._stamp()
        if stamp != self._seen:
            self._seen = stamp
            try:
                self._manifest = current_manifest(self._folder, self._config, _now_ms())
                self.trouble = ""
            except ClinicError as error:
                self.trouble = str(error)
                _log.warning("manifest not renewed: %s", error)
        if _now_ms() >= self._manifest.expires_ms:
            raise ClinicError(
                f"{self._folder / MANIFEST}: expired; ask the clinic's root for the current manifest"
            )
        return self._manifest

    def _stamp(self) -> tuple[int, int]:
        try:
            found = (self._folder / MANIFEST).stat()
        except FileNotFoundError:
            return (0, 0)
        return found.st_ino, found.st_mtime_ns


class Receiver:
    """See the module. Made, run and closed by one thread.

    Args:
        folder: the clinic's folder or the receiver's.

    Raises:
        ClinicError: the folder is not as expected.
        KeyFileError: a key is missing or readable by others.
        VaultError: another receiver runs, or the vault's key is not the vault's.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = role_folder(folder, "receiver")
        self._config = read_config(self._folder)
        self._manifest = ManifestFile(self._folder)
        self._keys = [PrivateKey.load(self._folder / keyring.OPEN_KEY)]
        self._ack_key = SigningKey.load(self._folder / keyring.ACK_KEY)
        self.vault = Vault(self._folder / VAULT, vault_key(self._folder))
        filters = [
            site_filter(self._config.root, self._config.site, kind) for kind in ("result", "event", "state")
        ]
        self._session = open_session(self._folder, self._config, role_name("receiver"), filters)
        self._owed: set[StreamKey] = set()
        self.site = self._config.site
        self._states: dict[str, DeviceState] = {}
        self.tally = Tally()

    def close(self) -> None:
        """Give vault and connection back."""
        self._session.stop()
        self.vault.close()

    def run(self, observer: Observer, *, stop: Flag, exit_after_idle: float | None = None) -> None:
        """Receive until ``stop`` is set, or nothing came for ``exit_after_idle`` seconds while connected.

        Raises:
            ClinicError: the manifest expired. What was not acknowledged comes again.
        """
        self._session.start()
        self._hand_on(observer)
        last = time.monotonic()
        while not stop.is_set():
            self._manifest.current()  # also where nothing arrives: an expired one ends us
            batch = self._batch()
            if batch:
                self._take(batch, observer)
            if batch or not self._session.connected.is_set():
                last = time.monotonic()
            self._acknowledge()
            self._session.check()
            self._turn(observer)
            if exit_after_idle is not None and time.monotonic() - last > exit_after_idle:
                return

    # --- one batch --------------------------------------------------------------------------------

    def _batch(self) -> list[Arrived]:
        batch: list[Arrived] = []
        try:
            event = self._session.events.get(timeout=_PATIENCE_S)
            while True:
                if isinstance(event, Arrived):
                    batch.append(event)
                elif isinstance(event, Connected):
                    # What was acknowledged while the box or we were away may never have arrived.
                    self._owed.update(self.vault.streams())
                if len(batch) == _BATCH:
                    return batch
                event = self._session.events.get_nowait()
        except queue.Empty:
            return batch

    def _take(self, batch: list[Arrived], observer: Observer) -> None:
        manifest = self._manifest.current()
        examined: list[Examined] = []
        refused: Counter[str] = Counter()
        for message in batch:
            try:
                if message.topic.endswith("/state"):
                    self._take_state(message, manifest, observer)
                else:
                    examined.append(
                        examine_result(
                            message.topic, message.payload, manifest, self._keys, message.arrived_ms
                        )
                    )
            except Refused as refusal:
                refused[refusal.reason] += 1
                _log.warning("message refused: %s", refusal.reason)
        fresh: list[bool] = []
        if examined or refused:
            fresh = self.vault.store([item.record for item in examined], refused, _now_ms())
        # Committed. Only now does anybody hear of it.
        for message in batch:
            self._session.acknowledge(message)
        self._owed.update(item.record.key for item in examined)
        self.tally.stored += sum(fresh)
        self.tally.duplicates += len(fresh) - sum(fresh)
        self.tally.refused += refused
        for item, new in zip(examined, fresh, strict=True):
            if new:
                observer.result(item.body, item.record.arrived_ms)
        self._hand_on(observer)

    def _take_state(self, message: Arrived, manifest: Manifest, observer: Observer) -> None:
        if not message.payload:
            return
        state = examine_state(message.topic, message.payload, manifest)
        before = self._states.get(state.device)
        if before and not _newer(state, before):
            return
        self._states[state.device] = state
        observer.state(state)

    def _acknowledge(self) -> None:
        """Publish the signed acknowledgements that are owed, as far as the session takes them."""
        while self._owed and self._session.room():
            device, stream, epoch = key = self._owed.pop()
            upto = self.vault.upto(key)
            if not upto:
                continue
            site = self._config.site
            topic = Topics(self._config.root, site, device).ack(stream)
            word = Acknowledgement(
                site=site, device=device, stream=stream, epoch=epoch, upto=upto, made_ms=_now_ms()
            )
            try:
                self._session.publish(topic, sign_ack(topic, word, self._ack_key), expiry_s=_ACK_EXPIRY_S)
            except SessionError:
                self._owed.add(key)
                return

    def _hand_on(self, observer: Observer) -> None:
        while rows := self.vault.untold():
            for row in rows:
                observer.in_order(read_evidence(row.payload), row.arrived_ms)
            self.vault.mark_told([row.id for row in rows])

    def _turn(self, observer: Observer) -> None:
        holes = {key: self.vault.missing(key) for key in self.vault.streams()}
        self.tally.missing = {key: missing for key, missing in holes.items() if missing}
        self.tally.connected = self._session.connected.is_set()
        self.tally.trouble = self._manifest.trouble or self._session.trouble
        observer.turn(self.tally)


def vault_key(folder: Path) -> bytes:
    """Return the vault's key of a receiver's folder.

    Raises:
        ClinicError: missing, readable by others, or no such key.
    """
    path = folder / keyring.VAULT_KEY
    try:
        label, key = pem.unarmour(pem.read_private(path))
    except (OSError, ValueError) as error:
        raise ClinicError(f"{path}: expected the vault's key, owner-only") from error
    if label != "EDGE VAULT KEY" or len(key) != 32:
        raise ClinicError(f"{path}: expected the vault's key")
    return key


def replay(vault: Vault, tell: Callable[[Body | AnyBody, int], None]) -> None:
    """Call ``tell`` with every body of the vault, in the order of arrival."""
    last = 0
    while rows := vault.results(after=last):
        for row in rows:
            tell(read_evidence(row.payload), row.arrived_ms)
        last = rows[-1].id


def _newer(state: DeviceState, before: DeviceState) -> bool:
    """Whether a state may take the place of another: a late will must not hide a newer birth."""
    if state.boot == before.boot:
        return (state.session, state.made_ms) >= (before.session, before.made_ms) or (
            # The will of the present session was written when it began.
            state.session == before.session and not state.online
        )
    return state.made_ms >= before.made_ms


def _now_ms() -> int:
    return time.time_ns() // 1_000_000

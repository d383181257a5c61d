"""The operator's end of a command: sign, publish retained, follow its life, clear it at its end.

The command stays on the broker until a terminal status, so a box that is away finds it when it comes
back; the broker itself drops it at its deadline. `Life` judges the statuses (pure); `send` moves the
bytes.
"""

from __future__ import annotations

import fcntl
import os
import queue
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from edge.clinic import keyring
from edge.clinic.link import open_session
from edge.clinic.pki import role_name
from edge.clinic.places import ClinicConfig, ClinicError, read_config, role_folder
from edge.clinic.receive import ManifestFile
from edge.commands.rules import SKEW_MS, signing_topic, terminal
from edge.messages import TRANSITIONS, Command, CommandState, CommandStatus, CommandType
from edge.wire.codec import CodecError, decode_as, encode
from edge.wire.errors import EnvelopeError
from edge.wire.events import Answered, Arrived, Event
from edge.wire.keys import SigningKey, VerifyKey
from edge.wire.session import Session, SessionError
from edge.wire.signed import sign_message, verify_message
from edge.wire.topics import Topics

EXIT_CODES: Mapping[CommandState | None, int] = MappingProxyType(
    {"succeeded": 0, "failed": 1, "rejected": 3, "timed_out": 4, "cancelled": 5, None: 6}
)
"""Exit code of ``edge clinic command --wait`` by terminal state; None: the box did not answer in time."""

_PATIENCE_S = 10.0
"""How long connecting, and the broker's word for a publish, may take."""


@dataclass
class Life:
    """A command's life as its statuses tell it; they may come twice or out of order."""

    command_id: str
    device: str
    box_keys: list[VerifyKey]
    topic: str
    last: CommandStatus | None = None
    ignored: int = 0
    seen: list[CommandStatus] = field(default_factory=list)

    def take(self, topic: str, data: bytes) -> CommandStatus | None:
        """Return the status if it is new and carries the life further, else None."""
        if topic != self.topic or not data:
            return None
        try:
            status = decode_as(CommandStatus, verify_message(data, topic, self.box_keys).payload)
        except (EnvelopeError, CodecError):
            self.ignored += 1
            return None
        if (status.id, status.device) != (self.command_id, self.device):
            self.ignored += 1
            return None
        if self.last and not _follows(self.last.state, status.state):
            return None
        self.last = status
        self.seen.append(status)
        return status

    @property
    def over(self) -> bool:
        """Whether a terminal state was reached."""
        return self.last is not None and terminal(self.last.state)


def send(
    folder: Path,
    device: str,
    kind: CommandType,
    *,
    wait: float | None,
    life: float = 60.0,
    passphrase: bytes | None = None,
    show: Callable[[CommandStatus], None] = lambda _: None,
) -> CommandStatus | None:
    """Publish one command and, if ``wait`` is given, follow it for so many seconds.

    Args:
        folder: the clinic's folder or the operator's.
        device: the box.
        kind: what to do.
        wait: seconds to follow it; None returns once the broker has it.
        life: seconds until its deadline; at least ``wait``.
        passphrase: of the operator's keys.
        show: called with each status as it comes.

    Returns:
        The last status, None if there was none.

    Raises:
        ClinicError: the folder, the box or the connection is not as expected.
        KeyFileError: the key cannot be read.
    """
    place = role_folder(folder, "operator")
    config = read_config(place)
    key = SigningKey.load(place / keyring.COMMAND_KEY, passphrase)
    manifest = ManifestFile(place).current()
    box_keys = manifest.box_keys(device)
    if not box_keys:
        known = ", ".join(sorted(box.device for box in manifest.boxes)) or "none"
        raise ClinicError(f"no box {device!r} in the manifest; enrolled: {known}")
    topics = Topics(config.root, config.site, device)
    issued_ms = time.time_ns() // 1_000_000
    span = max(life, wait or 0.0)
    order = Command(
        id=str(uuid.uuid4()),
        type=kind,
        audience=[device],
        issued_ms=issued_ms,
        deadline_ms=issued_ms + int(span * 1000),
    )
    status_topic = topics.status(order.id)
    watched = Life(order.id, device, box_keys, status_topic)
    name = role_name("operator", config.operator)
    # Statuses are retained, so nothing has to wait for a tool that is gone: no session is left behind.
    session = open_session(place, config, name, [status_topic], passphrase=passphrase, session_expiry_s=0)
    alone = _lock(place)
    session.start()
    try:
        expiry = int(span + SKEW_MS / 1000)
        _publish(session, topics.cmd(order.id), sign(order, config, key), expiry_s=expiry)
        if wait is not None:
            _follow(session, watched, time.monotonic() + wait, show)
            if watched.over:
                # An empty retained message clears the command: nobody gets it again.
                _publish(session, topics.cmd(order.id), b"", expiry_s=None)
    finally:
        session.stop()
        os.close(alone)
    return watched.last


def sign(order: Command, config: ClinicConfig, key: SigningKey) -> bytes:
    """Return the signed command; the same bytes serve each box of its audience."""
    return sign_message(signing_topic(config.root, config.site, order.id), encode(order), key)


def _lock(place: Path) -> int:
    """One command at a time: a second connection with the same certificate would end the first."""
    lock = os.open(place / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise ClinicError("another command of this operator is under way; wait for its end") from error
    return lock


def _publish(session: Session, topic: str, payload: bytes, *, expiry_s: int | None) -> None:
    """Publish retained and wait for the broker's word; statuses that come meanwhile stay in the queue."""
    if not session.connected.wait(_PATIENCE_S):
        raise ClinicError(session.trouble or "no connection to the broker")
    kept: list[Event] = []
    until = time.monotonic() + _PATIENCE_S
    try:
        mid = session.publish(topic, payload, retain=True, expiry_s=expiry_s)
        while True:
            event = session.events.get(timeout=max(0.0, until - time.monotonic()))
            if isinstance(event, Answered) and event.mid == mid:
                break
            kept.append(event)
    except (SessionError, queue.Empty) as error:
        raise ClinicError("the broker did not take the message in time") from error
    finally:
        for item in kept:
            session.events.put(item)
    if event.code >= 0x80:
        raise ClinicError(
            "the broker refuses this topic to the operator; is the box enrolled, the ACL current?"
        )


def _follow(session: Session, watched: Life, until: float, show: Callable[[CommandStatus], None]) -> None:
    while not watched.over and (left := until - time.monotonic()) > 0:
        session.check()
        try:
            event = session.events.get(timeout=min(left, 1.0))
        except queue.Empty:
            continue
        if not isinstance(event, Arrived):
            continue
        session.acknowledge(event)
        status = watched.take(event.topic, event.payload)
        if status:
            show(status)


def _follows(before: CommandState, after: CommandState) -> bool:
    """Whether ``after`` can be reached from ``before`` by the table, in one step or several."""
    reached, frontier = set[CommandState](), {before}
    while frontier:
        frontier = {step for state in frontier for step in TRANSITIONS[state]} - reached
        reached |= frontier
    return after in reached

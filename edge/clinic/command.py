"""The operator's end of a command: sign, publish retained, follow its life, clear it at its end.

The command stays on the broker until a terminal status, so a box that is away finds it when it comes
back; the broker itself drops it at its deadline. `Life` judges the statuses (pure); `send` moves the
bytes.
"""

from __future__ import annotations

import queue
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from edge.clinic import keyring
from edge.clinic.link import Link
from edge.clinic.pki import role_name
from edge.clinic.places import ClinicConfig, ClinicError, read_config, role_folder
from edge.clinic.receive import ManifestFile
from edge.commands.rules import SKEW_MS, signing_topic, terminal
from edge.messages import TRANSITIONS, Command, CommandState, CommandStatus, CommandType
from edge.wire.codec import CodecError, decode_as, encode
from edge.wire.errors import EnvelopeError
from edge.wire.keys import SigningKey, VerifyKey
from edge.wire.signed import sign_message, verify_message
from edge.wire.topics import Topics

EXIT_CODES: Mapping[CommandState | None, int] = MappingProxyType(
    {"succeeded": 0, "failed": 1, "rejected": 3, "timed_out": 4, "cancelled": 5, None: 6}
)
"""Exit code of ``edge clinic command --wait`` by terminal state; None: the box did not answer in time."""


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
    link = Link(place, config, role_name("operator", config.operator), [status_topic], passphrase=passphrase)
    link.start()
    try:
        expiry = int(span + SKEW_MS / 1000)
        link.publish_and_wait(
            topics.cmd(order.id), sign(order, config, key), retain=True, expiry_s=expiry, timeout=10.0
        )
        if wait is not None:
            _follow(link, watched, time.monotonic() + wait, show)
            if watched.over:
                # An empty retained message clears the command: nobody gets it again.
                link.publish_and_wait(topics.cmd(order.id), b"", retain=True, expiry_s=None, timeout=5.0)
    finally:
        link.stop()
    return watched.last


def sign(order: Command, config: ClinicConfig, key: SigningKey) -> bytes:
    """Return the signed command; the same bytes serve each box of its audience."""
    return sign_message(signing_topic(config.root, config.site, order.id), encode(order), key)


def _follow(link: Link, watched: Life, until: float, show: Callable[[CommandStatus], None]) -> None:
    while not watched.over and (left := until - time.monotonic()) > 0:
        try:
            message = link.inbox.get(timeout=left)
        except queue.Empty:
            return
        link.acknowledge(message)
        status = watched.take(message.topic, message.payload)
        if status:
            show(status)


def _follows(before: CommandState, after: CommandState) -> bool:
    """Whether ``after`` can be reached from ``before`` by the table, in one step or several."""
    reached, frontier = set[CommandState](), {before}
    while frontier:
        frontier = {step for state in frontier for step in TRANSITIONS[state]} - reached
        reached |= frontier
    return after in reached

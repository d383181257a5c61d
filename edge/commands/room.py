"""The shell around the rules: bytes from a topic in, steps in the ledger, statuses in the outbox.

The session's thread may call `CommandRoom.handle`, the daemon's loop `CommandRoom.tick`; an
executor runs in the caller's thread, one at a time. (Types that take long get lanes of their own
when they come.)
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from edge.commands.ledger import Entry, Ledger
from edge.commands.rules import (
    LOST_ON_RESTART,
    Now,
    Reason,
    judge,
    signing_topic,
    terminal,
)
from edge.messages import Command, CommandState, CommandStatus, CommandType
from edge.wire.codec import CodecError, decode_as
from edge.wire.errors import EnvelopeError
from edge.wire.keys import SigningKey, VerifyKey
from edge.wire.manifest import Manifest
from edge.wire.signed import sign_message, verify_message
from edge.wire.topics import TopicError, Topics, parse

_log = logging.getLogger(__name__)

Result = dict[str, str | int | float | bool | None]
Executor = Callable[[Command], Result]
"""Does a command and returns what its status reports. What it raises ends the command ``failed``."""

STATUS_EXPIRY_S = 7 * 86_400
"""How long the broker keeps a retained status for an issuer who is away."""


class _AnyCommand(Command):
    """A command whose type may be newer than this box: it deserves the answer ``unknown_type``."""

    type: str  # type: ignore[assignment]


@dataclass(frozen=True)
class Outgoing:
    """A status to publish: QoS 1, retained, with this message expiry; then call `CommandRoom.told`."""

    n: int
    topic: str
    payload: bytes
    retain: Literal[True] = True
    expiry_s: int = STATUS_EXPIRY_S


class CommandRoom:
    """Takes up commands, does them at most as often as their type allows, and tells of each step.

    Args:
        topics: this box's topics.
        ledger: owned by the caller.
        key: this box's signing key; signs the statuses.
        manifest: gives the manifest in force, or None if there is no valid one: then nobody may order.
        executors: what does each type.
    """

    def __init__(
        self,
        *,
        topics: Topics,
        ledger: Ledger,
        key: SigningKey,
        manifest: Callable[[], Manifest | None],
        executors: Mapping[CommandType, Executor],
    ) -> None:
        self._topics = topics
        self._ledger = ledger
        self._key = key
        self._manifest = manifest
        self._executors = dict(executors)
        self._mutex = threading.Lock()
        self.refused: Counter[Reason] = Counter()
        """How many messages were refused, by reason, since the start."""

    # --- in ---------------------------------------------------------------------------------------

    def handle(self, topic: str, payload: bytes, now: Now) -> None:
        """Take what arrived on ``cmd/<uuid>``. Never raises for what a stranger sent."""
        if not payload:  # a cleared retained command
            return
        with self._mutex:
            try:
                where = parse(topic)
            except TopicError:
                self._refuse("malformed")
                return
            if (where.device, where.kind) != (self._topics.device, "cmd"):
                self._refuse("misaddressed")
                return
            signed_topic = signing_topic(self._topics.root, self._topics.site, where.name)
            allowed = self._operators()
            try:
                verified = verify_message(payload, signed_topic, allowed)
                command = decode_as(_AnyCommand, verified.payload)
            except EnvelopeError:
                self._refuse("forged")
                return
            except CodecError:
                self._refuse("malformed")
                return
            digest = hashlib.sha256(verified.payload).digest()
            known = self._ledger.get(command.id)
            if known:
                self._known(known, digest)
                return
            self._new(command, digest, verified.kid, where.name, now)

    def tick(self, now: Now) -> None:
        """Go on with what is unfinished, and forget what may be forgotten. Call at start and every second.

        At start, this resumes or ends what a restart interrupted.
        """
        with self._mutex:
            if not now.trusted:
                return
            for entry in self._ledger.unfinished():
                self._resume(entry, now)
            self._ledger.forget(now)

    # --- out --------------------------------------------------------------------------------------

    def untold(self, limit: int = 100) -> list[Outgoing]:
        """Statuses to publish, oldest first."""
        return [
            Outgoing(
                row.n,
                topic := self._topics.status(row.id),
                sign_message(topic, row.body, self._key),
            )
            for row in self._ledger.untold(limit)
        ]

    def told(self, n: int) -> None:
        """Note that the broker took status ``n`` (its PUBACK came)."""
        self._ledger.told(n)

    # --- inside -----------------------------------------------------------------------------------

    def _operators(self) -> dict[VerifyKey, frozenset[str]]:
        manifest = self._manifest()
        if manifest is None:
            return {}
        keys = [(VerifyKey(item.public), frozenset(item.commands)) for item in manifest.operators]
        return {key: commands for key, commands in keys if key.kid not in manifest.revoked}

    def _may(self, issuer: bytes) -> frozenset[str]:
        return next((types for key, types in self._operators().items() if key.kid == issuer), frozenset())

    def _refuse(self, reason: Reason) -> None:
        self.refused[reason] += 1
        _log.warning("command refused: %s", reason)

    def _known(self, entry: Entry, digest: bytes) -> None:
        if entry.digest != digest:
            self._refuse("replayed")
        elif terminal(entry.state):
            # The broker gives a retained command again at each new connection, and its issuer clears
            # it on a terminal status: he missed that one.
            self._ledger.tell_again(entry.id)

    def _new(self, command: Command, digest: bytes, issuer: bytes, topic_id: str, now: Now) -> None:
        verdict = judge(
            command,
            device=self._topics.device,
            topic_id=topic_id,
            may=self._may(issuer),
            now=now,
            floor_ms=self._ledger.floor_ms,
        )
        if verdict.act == "drop":
            self._refuse(verdict.reason or "malformed")
            return
        self._ledger.receive(command, digest, issuer, now)
        if verdict.act == "reject":
            self._refuse(verdict.reason or "malformed")
            self._step(command, "rejected", now, reason=verdict.reason)
        elif verdict.act == "accept":
            self._step(command, "accepted", now)
            self._execute(command, now)

    def _resume(self, entry: Entry, now: Now) -> None:
        command: Command = decode_as(_AnyCommand, entry.body)
        if entry.state == "received":
            verdict = judge(
                command,
                device=self._topics.device,
                topic_id=entry.id,
                may=self._may(entry.issuer),
                now=now,
                floor_ms=0,  # it stands in the ledger, so it was not forgotten
            )
            if verdict.act != "accept":
                self._refuse(verdict.reason or "malformed")
                self._step(command, "rejected", now, reason=verdict.reason)
                return
            self._step(command, "accepted", now)
        elif command.deadline_ms <= now.unix_ms:
            self._step(command, "timed_out", now)
            return
        elif entry.state == "executing" and command.type in LOST_ON_RESTART:
            self._step(command, "failed", now, reason="interrupted")
            return
        self._execute(command, now, started=entry.state == "executing")

    def _execute(self, command: Command, now: Now, *, started: bool = False) -> None:
        if not started:
            self._step(command, "executing", now)
        try:
            result = self._executors[command.type](command)
        except Exception as error:  # noqa: BLE001 - whatever an executor does, the command ends in a state
            # The text could hold anything; the class of the error is enough to find it.
            _log.error("command %s failed: %s", command.type, type(error).__name__)
            self._step(command, "failed", now, reason=type(error).__name__)
        else:
            self._step(command, "succeeded", now, result=result)

    def _step(
        self,
        command: Command,
        state: CommandState,
        now: Now,
        *,
        reason: str | None = None,
        result: Result | None = None,
    ) -> None:
        self._ledger.step(
            CommandStatus(
                id=command.id,
                device=self._topics.device,
                state=state,
                reason=reason,
                result=result,
                made_ms=now.unix_ms,
            )
        )

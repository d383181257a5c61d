"""The box's side of the wire: rows out of the spool, acknowledgements and commands in.

One thread owns the session. A row leaves the spool only on a receiver's signed acknowledgement; the
broker's PUBACK merely says that the broker took it. So a killed broker, a lost queue or an absent
receiver cost a resend, and the receiver tells duplicates by epoch, stream and number.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, Protocol

from edge.wire.ack import verify_ack
from edge.wire.codec import CodecError
from edge.wire.errors import EnvelopeError
from edge.wire.events import Answered, Arrived, Connected
from edge.wire.keys import VerifyKey
from edge.wire.session import Session, SessionError
from edge.wire.topics import TopicError, Topics, parse

log = logging.getLogger(__name__)

TICK_S = 0.5
"""How often the publisher looks for rows to send again, when nothing happens."""

_BATCH = 64
_OUTBOX_AGAIN_S = 60.0
_AGAIN_CODES = frozenset({0x87, 0x91, 0x97})
"""PUBACK codes that a person or time mends: not authorized (an ACL that is not yet in place), packet
identifier in use, quota exceeded. The row stays and is sent again, ever more rarely. All others from
0x80 on say that this message will never be taken."""


class SpoolRow(Protocol):
    """A sealed message."""

    @property
    def id(self) -> int:
        """Names the row in the spool."""

    @property
    def stream(self) -> str:
        """The stream that numbers it."""

    @property
    def seq(self) -> int:
        """Its number in the stream, from 1."""

    @property
    def topic(self) -> str:
        """Where it is published."""

    @property
    def sealed(self) -> bytes:
        """The envelope."""


class SpoolLike(Protocol):
    """What the publisher needs of `edge.store.spool.Spool`."""

    def due(self, now: float, limit: int) -> Sequence[SpoolRow]:
        """Rows to send now."""

    def sent(self, rows: Iterable[int], now: float) -> None:
        """Rows that were handed over."""

    def acknowledge(self, stream: str, epoch: bytes, upto: int) -> int:
        """Delete what the receiver holds."""

    def dead_letter(self, row: int, why: Literal["refused", "too_large"]) -> None:
        """Set a row aside for good."""

    def on_append(self, listener: Callable[[], None]) -> None:
        """Call the listener after each new row."""


class OutboxItem(Protocol):
    """A signed message that is not a result, such as a command's status."""

    @property
    def n(self) -> int:
        """Names the message in the outbox."""

    @property
    def topic(self) -> str:
        """Where it is published."""

    @property
    def payload(self) -> bytes:
        """The signed message."""

    @property
    def retain(self) -> bool:
        """Whether the broker keeps it for later subscribers."""

    @property
    def expiry_s(self) -> int:
        """How long the broker keeps it, in seconds."""


class Outbox(Protocol):
    """Messages to publish until the broker took them."""

    def untold(self, limit: int = 100) -> Sequence[OutboxItem]:
        """Messages that the broker has not taken, oldest first."""

    def told(self, n: int) -> None:
        """The broker took message ``n``."""


class Publisher:
    """Publishes a spool, keeps the retained state fresh, takes acknowledgements and commands.

    Args:
        session: made with the filters `Publisher.filters`; started and stopped by the publisher.
        spool: sealed rows.
        topics: this box's topics.
        ack_keys: whose acknowledgements count now; asked each time, since a manifest may change.
        on_command: gets topic and payload of what arrives on ``cmd/``, in the publisher's thread.
        outbox: statuses of commands.
        taken: is told stream and number when the broker took a row (not yet the clinic).
    """

    def __init__(
        self,
        session: Session,
        spool: SpoolLike,
        topics: Topics,
        ack_keys: Callable[[], Iterable[VerifyKey]],
        *,
        on_command: Callable[[str, bytes], None] = lambda *_: None,
        outbox: Outbox | None = None,
        taken: Callable[[str, int], None] = lambda *_: None,
    ) -> None:
        self.session, self._spool, self._topics, self._ack_keys = session, spool, topics, ack_keys
        self._on_command, self._outbox, self._taken = on_command, outbox, taken
        self._rows: dict[int, SpoolRow] = {}  # by mid, until the broker answers
        self._items: dict[int, int] = {}  # outbox: n by mid, until the broker answers
        self._outbox_waits_until = 0.0
        self._state: bytes | None = None
        self._state_told: bytes | None = None
        self.turned = time.monotonic()
        """When the loop last turned, monotonic seconds: the daemon's pulse."""
        self.counts: Counter[str] = Counter()
        """``sent``, ``taken``, ``acknowledged`` rows; ``dead``; refused acknowledgements by reason."""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)
        spool.on_append(session.wake)

    @staticmethod
    def filters(topics: Topics) -> list[str]:
        """What the session subscribes to."""
        return [topics.all_acks, topics.all_commands]

    def start(self) -> None:
        """Connect and publish."""
        self.session.start()
        self._thread.start()

    def stop(self, timeout: float = 5.0) -> None:
        """Stop publishing and disconnect; what is in the spool stays there."""
        self._stop.set()
        self.session.wake()
        if self._thread.is_alive():
            self._thread.join(timeout)
        self._say_last_word(timeout)
        self.session.stop()

    def _say_last_word(self, timeout: float) -> None:
        """Publish a state that was set just before `stop`, such as the one that says we leave."""
        if self._thread.is_alive() or not self.session.connected.is_set():
            return
        try:
            self._publish_state()
        except SessionError:
            return  # the will says it
        deadline = time.monotonic() + min(timeout, 1.0)
        while self.session.under_way() and time.monotonic() < deadline:
            time.sleep(0.01)

    def set_state(self, payload: bytes) -> None:
        """Publish this as the box's retained state, now and after each reconnect; from any thread."""
        self._state = payload
        self.session.wake()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._turn()
            except OSError as error:
                # The disk is full or gone: nothing is lost, rows stay where they are.
                log.warning("the spool cannot be used now: %s", error)
                self._stop.wait(TICK_S)
            self.turned = time.monotonic()

    def _turn(self) -> None:
        try:
            event = self.session.events.get(timeout=TICK_S)
            while True:
                self._take(event)
                event = self.session.events.get_nowait()
        except queue.Empty:
            pass
        self.session.check()
        if self.session.connected.is_set():
            try:
                self._publish_state()
                self._publish_outbox()
                self._publish_rows()
            except SessionError as error:
                if error.reason == "too_large":
                    log.warning("the broker's Maximum Packet Size is too small for a state or status")

    # --- in ---------------------------------------------------------------------------------------

    def _take(self, event: object) -> None:
        if isinstance(event, Answered):
            self._take_answer(event)
        elif isinstance(event, Arrived):
            self._take_message(event)
            self.session.acknowledge(event)
        elif isinstance(event, Connected):
            for mid in event.dropped:
                self._rows.pop(mid, None)
                self._items.pop(mid, None)
            self._state_told = None
            log.info("connected to the broker")

    def _take_answer(self, answer: Answered) -> None:
        row = self._rows.pop(answer.mid, None)
        item = self._items.pop(answer.mid, None)
        refused = answer.code >= 0x80
        if refused:
            log.error("the broker refused a message with code 0x%02x", answer.code)
        if row and refused and answer.code not in _AGAIN_CODES:
            self.counts["dead"] += 1
            self._spool.dead_letter(row.id, "refused")
        elif row and not refused:
            self.counts["taken"] += 1
            self._taken(row.stream, row.seq)
        elif item is not None and refused:
            self._outbox_waits_until = time.monotonic() + _OUTBOX_AGAIN_S
        elif item is not None and self._outbox:
            self._outbox.told(item)

    def _take_message(self, message: Arrived) -> None:
        try:
            where = parse(message.topic)
        except TopicError:
            self.counts["foreign_topic"] += 1
            return
        if where.device != self._topics.device or where.site != self._topics.site:
            self.counts["foreign_topic"] += 1
        elif where.kind == "ack":
            self._take_ack(message)
        elif where.kind == "cmd":
            self._take_command(message)

    def _take_command(self, message: Arrived) -> None:
        try:
            self._on_command(message.topic, message.payload)
        except Exception as error:  # noqa: BLE001 - a retained command comes again at each start: it must not stop results
            # The text could hold anything; the class of the error is enough to find it.
            self.counts["command_failed"] += 1
            log.error("taking a command failed: %s", type(error).__name__)

    def _take_ack(self, message: Arrived) -> None:
        try:
            ack = verify_ack(message.payload, message.topic, self._ack_keys())
        except (EnvelopeError, CodecError) as error:
            self.counts[f"ack_{error.reason}"] += 1
            log.warning("an acknowledgement was ignored: %s", error.reason)
            return
        self.counts["acknowledged"] += self._spool.acknowledge(ack.stream, ack.epoch, ack.upto)

    # --- out --------------------------------------------------------------------------------------

    def _publish_state(self) -> None:
        state = self._state
        if state is not None and state != self._state_told:
            self.session.publish(self._topics.state, state, retain=True)
            self._state_told = state

    def _publish_outbox(self) -> None:
        if self._outbox is None or time.monotonic() < self._outbox_waits_until:
            return
        under_way = set(self._items.values())
        for item in self._outbox.untold(_BATCH):
            if item.n not in under_way:
                mid = self.session.publish(
                    item.topic, item.payload, retain=item.retain, expiry_s=item.expiry_s
                )
                self._items[mid] = item.n

    def _publish_rows(self) -> None:
        now = time.monotonic()
        under_way = {row.id for row in self._rows.values()}
        room = self.session.room()
        for row in self._spool.due(now, room + len(under_way)) if room else ():
            if row.id in under_way:
                continue
            try:
                mid = self.session.publish(row.topic, row.sealed)
            except SessionError as error:
                if error.reason != "too_large":
                    return
                log.warning("a message is larger than the broker takes; raise its max_packet_size")
                self.counts["dead"] += 1
                self._spool.dead_letter(row.id, "too_large")
                continue
            self._rows[mid] = row
            self._spool.sent([row.id], now)
            self.counts["sent"] += 1

"""The way out: number, sign, seal, spool.

A body is sealed when it enters the spool, so that a stolen box yields nothing (threat model, T6).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Literal, Protocol

from edge.messages import Gap, Head, Message
from edge.pipeline.figures import Figures
from edge.pipeline.receipts import ReceiptMaker
from edge.settings import Box
from edge.store.gaps import PendingGap
from edge.store.spool import Spool
from edge.wire import codec, envelope
from edge.wire.keys import Recipient, SigningKey
from edge.wire.topics import Topics

EVENTS = "events"
"""The stream of the box's events."""
PRIORITY_SCANNER = 2
"""Scanner results are the last that a full spool gives up."""
PRIORITY_EVENT = 1
PRIORITY_LIVE = 0


class NoRecipientError(Exception):
    """No valid recipient: nothing may be published (threat model, F5)."""


class Directory(Protocol):
    """Who may read results now, by the clinic's manifest."""

    def receivers(self) -> Sequence[Recipient]:
        """Recipients of results; raises `NoRecipientError` if there is none in force."""

    def custodian(self) -> Recipient:
        """Recipient of identity blocks; raises `NoRecipientError` likewise."""


class Post:
    """Seals bodies to the clinic's receivers and puts them into the spool."""

    def __init__(
        self,
        box: Box,
        signer: SigningKey,
        directory: Directory,
        spool: Spool,
        clock: Callable[[], Literal["trusted", "untrusted"]],
        figures: Figures,
        receipts: ReceiptMaker,
    ) -> None:
        self.receipts = receipts
        self._box, self._signer, self._spool = box, signer, spool
        self._topics = Topics(box.root, box.site, box.device)
        self.directory, self._clock, self._figures = directory, clock, figures

    def send(
        self,
        stream: str,
        build: Callable[[Head], Message],
        *,
        priority: int,
        source: bytes | None = None,
        event: str | None = None,
    ) -> int | None:
        """Spool one body; return its number, or None if ``source`` was answered before.

        Raises:
            NoRecipientError: nobody may read it; nothing was stored.
        """
        recipients = self.directory.receivers()
        topic = self._topics.event(event) if event else self._topics.result(stream)

        def seal(seq: int) -> bytes:
            body = build(self._head(stream, seq))
            return envelope.seal(codec.encode(body), topic, self._signer, recipients)

        start = time.thread_time()
        with self._figures.timed("seal"):
            seq = self._spool.append(stream, topic, seal, source=source, priority=priority)
        self._figures.took("seal_cpu", time.thread_time() - start)
        return seq

    def _head(self, stream: str, seq: int) -> Head:
        return Head(
            site=self._box.site,
            device=self._box.device,
            stream=stream,
            epoch=self._spool.epoch,
            seq=seq,
            made_ms=time.time_ns() // 1_000_000,
            clock=self._clock(),
        )

    def report_gaps(self) -> None:
        """Tell the clinic what the spool had to give up; what cannot be told now is told later."""
        for gap in self._spool.pending_gaps():
            try:
                recipients = self.directory.receivers()
            except NoRecipientError:
                return
            topic = self._topics.result(gap.stream)

            self._spool.report_gap(
                gap, topic, self._gap_sealer(gap, topic, recipients), priority=PRIORITY_SCANNER
            )

    def _gap_sealer(
        self, gap: PendingGap, topic: str, recipients: Sequence[Recipient]
    ) -> Callable[[int], bytes]:
        def seal(seq: int) -> bytes:
            body = Gap(head=self._head(gap.stream, seq), first=gap.first, last=gap.last, why=gap.why)
            return envelope.seal(codec.encode(body), topic, self._signer, recipients)

        return seal

"""What follows from the standing proof: quarantine, leak budget, latch, and word to the clinic.

A latch takes effect in memory before it is on disk, and an objection that the disk refuses counts all
the same; what is not written yet is tried again each turn. Only a person's acknowledgement, read from the
ledger, opens a source again.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, cast

from edge.anonymize.proof import budget as rule
from edge.anonymize.proof.budget import Account, Budget
from edge.imaging.frames import CleanFrame
from edge.messages import Head, LatchCause, LeakAlarm, SuppressReason
from edge.pipeline.post import PRIORITY_EVENT, NoRecipientError, Post
from edge.store.leaks import Kept, LeakLedger

log = logging.getLogger(__name__)

Keep = Callable[[SuppressReason, str, CleanFrame], object]

_EVENTS = "events"
_UNTOLD = 256
"""Alarms that wait for the spool at most; the retained state tells of a latch in any case."""


@dataclass
class _Entry:
    account: Account
    since_ms: int | None = None
    acknowledged: int = 0
    written: bool = True


@dataclass(frozen=True)
class _Alarm:
    source: str
    what: Literal["second_look", "latched", "acknowledged"]
    cause: LatchCause | None
    spent: int
    captured_ms: int | None = None


class LeakDesk:
    """Keeps the accounts of all sources. Calls may come from several threads.

    Args:
        ledger: where they survive power loss.
        budget: of each source.
        keep: puts a frame that was objected to into quarantine: reason, source, frame.
        unix_ms: Unix milliseconds, for a person to read.

    Raises:
        StoreError: the ledger cannot be read.
    """

    def __init__(self, ledger: LeakLedger, budget: Budget, keep: Keep, unix_ms: Callable[[], int]) -> None:
        self.budget = budget
        self._ledger, self._keep, self._unix_ms = ledger, keep, unix_ms
        self._lock = threading.Lock()
        self._entries: dict[str, _Entry] = {}
        self._stopped: dict[str, LatchCause] = {}
        self._alarms: deque[_Alarm] = deque(maxlen=_UNTOLD)
        self._ledger.changed()
        self._adopt(ledger.read())

    def stopped(self, source: str) -> LatchCause | None:
        """Why the source is latched, or None. Takes no lock."""
        return self._stopped.get(source)

    def account(self, source: str) -> tuple[int, LatchCause | None, int | None]:
        """Disagreements that count now, why the source is latched, and since when (Unix milliseconds)."""
        with self._lock:
            entry = self._entries.get(source, _Entry(Account()))
            spent = len(entry.account.counting(self.budget, self._ledger.now()))
            return spent, entry.account.latched, entry.since_ms

    def objected(self, source: str, frame: CleanFrame) -> None:
        """A second look objected to a frame that left: a unit of the budget is spent."""
        with self._lock:
            entry = self._entries.setdefault(source, _Entry(Account()))
            self._enter(source, entry, rule.spend(entry.account, self.budget, self._ledger.now()))
            spent = len(entry.account.spent)
            self._alarms.append(_Alarm(source, "second_look", None, spent, frame.captured_ms))
        log.error("a second look objected to a frame of %s; %d of %d", source, spent, self.budget.most)
        try:
            self._keep("second_look", source, frame)
        except OSError as error:
            log.error("a frame of %s could not be put into quarantine: %s", source, type(error).__name__)

    def recall_fell(self, source: str) -> None:
        """Canaries are missed: the source is latched."""
        with self._lock:
            entry = self._entries.setdefault(source, _Entry(Account()))
            self._enter(source, entry, rule.latch(entry.account, "recall_low"))

    def _enter(self, source: str, entry: _Entry, account: Account) -> None:
        if account == entry.account:
            return
        if account.latched is not None and entry.account.latched is None:
            self._stopped[source] = account.latched  # before anything that can fail
            entry.since_ms = self._unix_ms()
            self._alarms.append(_Alarm(source, "latched", account.latched, len(account.spent)))
            log.critical("%s is latched: %s; acknowledge with: edge leak", source, account.latched)
        entry.account, entry.written = account, False
        self._write(source, entry)

    def _write(self, source: str, entry: _Entry) -> None:
        kept = Kept(entry.account.spent, entry.account.latched, entry.since_ms, entry.acknowledged)
        try:
            # Refused if a person acknowledged meanwhile: the next turn takes that up and writes again.
            entry.written = self._ledger.write(source, kept)
        except OSError as error:
            log.error("the leak budget of %s cannot be written now: %s", source, type(error).__name__)

    def tick(self, post: Post) -> None:
        """Take up what a person acknowledged, write what is not written, and tell the clinic."""
        with self._lock:
            try:
                if self._ledger.changed():
                    self._adopt(self._ledger.read())
            except OSError as error:
                log.error("the ledger of leaks cannot be read now: %s", type(error).__name__)
            for source, entry in self._entries.items():
                if not entry.written:
                    self._write(source, entry)
        while self._alarms:
            if not self._tell(post, self._alarms[0]):
                return
            self._alarms.popleft()

    def _adopt(self, ledger: dict[str, Kept]) -> None:
        for source, kept in ledger.items():
            entry = self._entries.get(source)
            if entry is not None and kept.acknowledged <= entry.acknowledged:
                continue  # nothing but an acknowledgement changes what is known here
            if entry is not None and not entry.written:
                entry.acknowledged = kept.acknowledged
                continue  # what the person did not see stands, and is written on top of that word
            account = Account(kept.spent, cast("LatchCause | None", kept.latched))
            self._entries[source] = _Entry(account, kept.since_ms, kept.acknowledged)
            if account.latched is not None:
                self._stopped[source] = account.latched
            elif self._stopped.pop(source, None) is not None:
                self._alarms.append(_Alarm(source, "acknowledged", None, len(account.spent)))
                log.warning("%s was acknowledged and is open again", source)

    def _tell(self, post: Post, alarm: _Alarm) -> bool:
        def build(head: Head) -> LeakAlarm:
            return LeakAlarm(
                head=head,
                source=alarm.source,
                what=alarm.what,
                cause=alarm.cause,
                spent=alarm.spent,
                budget=self.budget.most,
                captured_ms=alarm.captured_ms,
            )

        try:
            post.send(_EVENTS, build, priority=PRIORITY_EVENT, event="leak_alarm")
        except (NoRecipientError, OSError) as error:
            log.warning("an alarm of %s waits: %s", alarm.source, type(error).__name__)
            return False
        return True

    def close(self) -> None:
        """Close the ledger."""
        self._ledger.close()

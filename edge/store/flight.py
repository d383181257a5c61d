"""Which rows of the spool are under way: sent, and not yet acknowledged. In memory, pure.

After a restart nothing is under way and everything is due: the receiver takes a row twice without
harm, so where we stood need not survive.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

_MOST_DOUBLINGS = 6


@dataclass
class _Sent:
    window: str | None
    tries: int
    again: float


class Flight:
    """Rows under way, by id.

    Args:
        resend_after: seconds until a row without acknowledgement is due again; doubles with each
            try, at most 64 times.
        window: most rows of one stream under way.
    """

    def __init__(self, resend_after: float, window: int) -> None:
        self._resend_after, self._window = resend_after, window
        self._sent: dict[int, _Sent] = {}
        self._under_way: Counter[str] = Counter()
        self._cursor: dict[str, int] = {}

    def __contains__(self, row: int) -> bool:
        return row in self._sent

    def cursor(self, stream: str) -> int:
        """The highest number of the stream that was ever sent, rows outside the window left out."""
        return self._cursor.get(stream, 0)

    def room(self, stream: str) -> int:
        """How many more rows of the stream may be sent."""
        return max(0, self._window - self._under_way[stream])

    def overdue(self, now: float) -> list[int]:
        """Ids of rows to send again, in the order of their first sending."""
        return [row for row, sent in self._sent.items() if sent.again <= now]

    def sent(self, row: int, now: float, window: tuple[str, int] | None) -> None:
        """Note that a row was handed to the broker.

        ``window``: stream and number of a row that the stream's window counts; None for one that
        goes past it.
        """
        known = self._sent.get(row)
        if known is None and window:
            stream, seq = window
            self._under_way[stream] += 1
            self._cursor[stream] = max(self.cursor(stream), seq)
        tries = known.tries + 1 if known else 0
        wait = self._resend_after * 2 ** min(tries, _MOST_DOUBLINGS)
        self._sent[row] = _Sent(window[0] if window else None, tries, now + wait)

    def landed(self, rows: Iterable[int]) -> None:
        """Forget rows that are gone from the spool."""
        for row in rows:
            sent = self._sent.pop(row, None)
            if sent and sent.window is not None:
                self._under_way[sent.window] -= 1

"""When a source's layout is lost or known again: what is told to the clinic and what is kept, and how often.

A screen that flickers between two layouts, or one that stays unknown for a week, must neither flood the
clinic nor push everything else out of the quarantine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edge.anonymize.layout.match import Decision, Recognized
from edge.imaging.frames import RawFrame

_TELL_NS = 10_000_000_000
"""Between two words to the clinic that a layout is lost, or is known again, at least."""
_KEEP_NS = 10_000_000_000
"""Until another frame of an unknown layout is kept, at first; it doubles up to `_KEEP_MOST_NS`."""
_KEEP_MOST_NS = 3_600_000_000_000


@dataclass(frozen=True)
class LayoutNews:
    """``layout``: name and version of what is shown, None if it is not known; ``why`` as in `Decision`."""

    source: str
    layout: str | None
    why: str
    captured_ms: int
    quarantined: bytes | None = None
    """Id of the last frame that was kept since the last news."""


class Herald:
    """Decides when to keep a frame and when to tell. Not safe for several threads.

    Args:
        source: name of the source.
        keep: keeps a frame; gives its id, or None.
        tell: passes news on.
    """

    def __init__(
        self, source: str, keep: Callable[[RawFrame], bytes | None], tell: Callable[[LayoutNews], None]
    ) -> None:
        self._source, self._keep, self._tell = source, keep, tell
        self._last: str | None = ""
        """What was told last; no layout has this name."""
        self._told_ns: dict[bool, int] = {}
        self._kept: bytes | None = None
        self._kept_ns: int | None = None
        self._lost_ns: int | None = None
        self._wait_ns = _KEEP_NS

    def see(self, raw: RawFrame, known: Recognized | None, decision: Decision, now_ns: int) -> None:
        """``raw`` was compared with the source's templates at ``now_ns`` of CLOCK_MONOTONIC."""
        name = None
        if known is not None:
            name = f"{known.layout.template.name} {known.layout.template.version}"
        if known is None:
            self._keep_if_due(raw, now_ns)
        elif self._lost_ns is not None and now_ns - self._lost_ns > _KEEP_NS:
            self._wait_ns = _KEEP_NS  # it was known for a while: what comes is another change
        told_ns = self._told_ns.get(known is None)
        if name == self._last or (told_ns is not None and now_ns - told_ns < _TELL_NS):
            return
        self._last, self._told_ns[known is None] = name, now_ns
        kept, self._kept = self._kept, None
        self._tell(LayoutNews(self._source, name, decision.why, raw.captured_ms, kept))

    def _keep_if_due(self, raw: RawFrame, now_ns: int) -> None:
        self._lost_ns = now_ns
        if self._kept_ns is not None:
            if now_ns - self._kept_ns < self._wait_ns:
                return
            self._wait_ns = min(_KEEP_MOST_NS, 2 * self._wait_ns)
        self._kept_ns = now_ns
        self._kept = self._keep(raw) or self._kept

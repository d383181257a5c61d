"""Which numbers of a stream have arrived, and how far everything is there. Pure.

A stream's spool numbers its rows from 1 under an epoch. They come in any order, some twice, and
some never: those the spool names in a gap record. `Sequence` keeps this as a set of disjoint
intervals and gives the cumulative position that may be acknowledged: the largest ``upto`` such that
each of ``1..upto`` was stored or named as lost.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator

MAX_SEQ = 2**63 - 1
"""Largest number that the store's integer column holds."""


class Sequence:
    """Numbers of one stream and epoch that are accounted for. Owned by one thread."""

    __slots__ = ("_first", "_last")

    def __init__(self, upto: int = 0, later: Iterable[tuple[int, int]] = ()) -> None:
        """Start with ``1..upto`` and the inclusive intervals ``later`` accounted for."""
        self._first: list[int] = []
        self._last: list[int] = []
        if upto:
            self.add(1, upto)
        for first, last in later:
            self.add(first, last)

    @property
    def upto(self) -> int:
        """The cumulative position: everything from 1 to here is accounted for; 0 if 1 is not."""
        return self._last[0] if self._first and self._first[0] == 1 else 0

    @property
    def highest(self) -> int:
        """The largest number accounted for; 0 if there is none."""
        return self._last[-1] if self._last else 0

    def __contains__(self, seq: int) -> bool:
        at = bisect_right(self._first, seq) - 1
        return at >= 0 and seq <= self._last[at]

    def add(self, first: int, last: int | None = None) -> bool:
        """Account for ``first..last`` (inclusive; ``last`` defaults to ``first``).

        Returns:
            Whether anything of it was new.

        Raises:
            ValueError: not ``1 <= first <= last <= MAX_SEQ``.
        """
        last = first if last is None else last
        if not 1 <= first <= last <= MAX_SEQ:
            raise ValueError("expected 1 <= first <= last <= 2**63 - 1")
        at = bisect_right(self._first, first) - 1
        if at >= 0 and last <= self._last[at]:
            return False
        # Neighbours that touch are merged, so that the number of intervals is that of the holes.
        start = at if at >= 0 and self._last[at] >= first - 1 else at + 1
        end = bisect_right(self._first, last + 1)
        if start < end:
            first, last = min(first, self._first[start]), max(last, self._last[end - 1])
        self._first[start:end] = [first]
        self._last[start:end] = [last]
        return True

    def missing(self) -> Iterator[tuple[int, int]]:
        """Yield the holes below `highest` as inclusive intervals, in order."""
        expected = 1
        for first, last in zip(self._first, self._last, strict=True):
            if first > expected:
                yield expected, first - 1
            expected = last + 1

    def intervals(self) -> list[tuple[int, int]]:
        """All that is accounted for, as disjoint inclusive intervals, in order."""
        return list(zip(self._first, self._last, strict=True))

"""Series results: what all slices of one series say together.

The contribution of each object is kept on disk, encrypted, until its series is closed by count or by
time. It is keyed by the object, so that an object that is done again after a crash replaces its own
contribution instead of counting twice.
"""

from __future__ import annotations

import logging
from typing import Literal

from edge.classify.series import Slice, aggregate
from edge.messages import Finding, Head, SeriesResult, Suppressed
from edge.pipeline.post import PRIORITY_SCANNER, Post
from edge.settings import Series
from edge.store.partial import PartialSeries
from edge.store.spool import Spool

log = logging.getLogger(__name__)

STREAM = "series"


class SeriesDesk:
    """Collects the findings of open series and sends one result when a series closes."""

    def __init__(self, settings: Series, store: PartialSeries, spool: Spool, post: Post) -> None:
        self._settings, self._store, self._spool, self._post = settings, store, spool, post

    def add(
        self,
        study: bytes,
        series: bytes,
        object_id: bytes,
        findings: list[Finding],
        held: list[Suppressed],
        now: float,
    ) -> None:
        """Keep one object's part in its series, before its own result is sent.

        Doing it again replaces it. ``now`` is Unix time in seconds.
        """
        part = Slice.of(findings, held)
        self._store.put(study, series, object_id, part.to_bytes(), now)

    def close_if_full(self, study: bytes, series: bytes) -> None:
        """Close the series if it has its number of objects; after the last one's own result is stored."""
        if self._settings.close_at and self._store.objects(series, study) >= self._settings.close_at:
            self._close(study, series, "count")

    def close_due(self, now: float) -> None:
        """Close each series that got no object for the configured time."""
        for study, series in self._store.silent_since(now - self._settings.close_after):
            self._close(study, series, "time")

    def _close(self, study: bytes, series: bytes, closed_by: Literal["count", "time"]) -> None:
        parts = [Slice.from_bytes(part) for part in self._store.parts(series, study)]
        total = aggregate(parts)

        def build(head: Head) -> SeriesResult:
            return SeriesResult(
                head=head, study=study, series=series, closed_by=closed_by, objects=len(parts), **total
            )

        # The generation makes a series that opens again after its result a result of its own.
        source = self._store.generation(series, study)
        self._post.send(STREAM, build, source=source, priority=PRIORITY_SCANNER)
        self._store.drop(series, study)
        self._spool.forget_source(source)
        log.info("a series of %d objects was closed by %s", len(parts), closed_by)

"""Which layout templates of a source count now: signed by somebody whom the clinic's manifest names.

Files and manifest are looked at again once a second, so a template that was replaced counts at once, and one
whose signer was revoked counts no more. The highest version of each name that was ever accepted is kept on
disk: an older template, put back by whoever reaches the file, is refused even after a restart.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from edge.anonymize.layout.herald import LayoutNews
from edge.anonymize.layout.match import Confirmed
from edge.messages import Head, LayoutChange
from edge.pipeline.post import EVENTS, PRIORITY_EVENT, NoRecipientError, Post
from edge.wire.codec import encode
from edge.wire.layouts import LayoutError, verify
from edge.wire.manifest import Manifest

log = logging.getLogger(__name__)

_AGAIN_S = 1.0


class LayoutVersions:
    """The highest accepted version of each template, in a JSON file; safe from several threads.

    A file that cannot be read stops every template until it is removed: nobody but this class writes it.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, threading.Lock()

    def admit(self, name: str, version: int) -> None:
        """Keep ``version`` as the highest one known, through fsync.

        Raises:
            LayoutError: ``rolled_back``, a higher one is known.
            OSError: it cannot be read or kept.
        """
        with self._lock:
            try:
                known = json.loads(self._path.read_bytes())
                highest = int(known.get(name, 0))
            except FileNotFoundError:
                known, highest = {}, 0
            except (ValueError, AttributeError, TypeError) as error:
                raise OSError(f"{self._path.name} is damaged") from error
            if version < highest:
                raise LayoutError("rolled_back")
            if version > highest:
                self._write({**known, name: version})

    def _write(self, known: dict[str, int]) -> None:
        temporary = self._path.with_suffix(".new")
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(known, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._path)


class Layouts:
    """The templates of one source.

    Args:
        paths: signed templates.
        site: this box's.
        manifest: the one in force, or None; then no template counts.
        versions: the box's memory of versions.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        site: str,
        manifest: Callable[[], Manifest | None],
        versions: LayoutVersions,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._paths, self._site, self._manifest = tuple(paths), site, manifest
        self._versions, self._clock = versions, clock
        self._lock = threading.Lock()
        self._looked: float | None = None
        self._read_from: tuple[object, ...] = ()
        self._layouts: tuple[Confirmed, ...] = ()
        self.problems: tuple[str, ...] = ()
        """Which files do not count, and why, in words for whoever looks at the box's status."""

    def current(self) -> Sequence[Confirmed]:
        """The templates that count now, in the order of the settings; from any thread."""
        with self._lock:
            now = self._clock()
            if self._looked is None or now - self._looked >= _AGAIN_S:
                self._looked = now
                manifest = self._manifest()
                stamps = (manifest, *(_stamp(path) for path in self._paths))
                if stamps != self._read_from:
                    self._read_from = stamps
                    self._layouts = self._read(manifest)
            return self._layouts

    def _read(self, manifest: Manifest | None) -> tuple[Confirmed, ...]:
        if manifest is None:
            self.problems = ()  # the manifest's own trouble is told already
            return ()
        good: list[Confirmed] = []
        problems: list[str] = []
        for path in self._paths:
            try:
                template = verify(path.read_bytes(), self._site, manifest)
                self._versions.admit(template.name, template.version)
            except (LayoutError, OSError) as error:
                why = error.reason if isinstance(error, LayoutError) else "unreadable"
                problems.append(f"layout {path.name} is {why.replace('_', ' ')}")
                log.error("layout %s was refused: %s", path.name, why)
                continue
            good.append(Confirmed(template, hashlib.sha256(encode(template)).digest()))
            log.info("layout %s version %d is in force", template.name, template.version)
        self.problems = tuple(problems)
        return tuple(good)


def tell_layout(post: Post, news: LayoutNews) -> None:
    """Tell the clinic that a source shows a known layout, or no longer; what cannot be told is logged."""

    def build(head: Head) -> LayoutChange:
        return LayoutChange(
            head=head,
            source=news.source,
            layout=news.layout,
            why=news.why,
            captured_ms=news.captured_ms,
            quarantined=news.quarantined,
        )

    log.warning("source %s shows layout %s", news.source, news.layout or f"unknown ({news.why})")
    try:
        post.send(EVENTS, build, priority=PRIORITY_EVENT, event="layout_change")
    except (NoRecipientError, OSError) as error:
        log.warning("a change of layout was not published: %s", type(error).__name__)


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino

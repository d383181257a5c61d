"""How often each object was begun, so that one that kills the daemon does not kill it for ever.

A small file without sync: it guards against the death of the process, and a power cut is not the
object's doing. It holds only objects that are not concluded.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

from edge.store.quarantine import QuarantineReason

MOST = 5
"""Tries after which an object is answered as unreadable and put into quarantine."""


class Attempts:
    """Tries of each object that is under way, and what becomes of it once its result is stored."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._tries: dict[str, int] = {}
        self._fates: dict[str, Any] = {}
        try:
            known = json.loads(path.read_text(encoding="ascii"))
            self._tries, self._fates = dict(known["tries"]), dict(known["fates"])
        except (OSError, ValueError, KeyError, TypeError):
            return  # none is known: counting starts at 0

    def begin(self, object_id: bytes) -> int:
        """Note that the object is begun; return how often it was, this time included."""
        name = object_id.hex()
        self._tries[name] = self._tries.get(name, 0) + 1
        self._write()
        return self._tries[name]

    def decide(self, object_id: bytes, fate: QuarantineReason | None) -> None:
        """Note what becomes of the object, before its result is stored."""
        self._fates[object_id.hex()] = fate
        self._write()

    def fate(self, object_id: bytes) -> QuarantineReason | None:
        """Why the object goes into quarantine, or None."""
        fate: QuarantineReason | None = self._fates.get(object_id.hex())
        return fate

    def not_its_fault(self, object_id: bytes) -> None:
        """The try failed for a reason that lies elsewhere: it does not count.

        Never raises: on a full disk the count in memory is right, and the file follows later.
        """
        if self._tries.get(object_id.hex(), 0) > 0:
            self._tries[object_id.hex()] -= 1
            with contextlib.suppress(OSError):
                self._write()

    def end(self, object_id: bytes) -> None:
        """The object is gone from the inbox."""
        self._tries.pop(object_id.hex(), None)
        self._fates.pop(object_id.hex(), None)
        self._write()

    def _write(self) -> None:
        temporary = self._path.with_suffix(".new")
        temporary.write_text(json.dumps({"tries": self._tries, "fates": self._fates}), encoding="ascii")
        temporary.replace(self._path)

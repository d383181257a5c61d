"""Which object is under way, so that one that kills the daemon does not kill it for ever.

Objects are answered one at a time, so one small file is enough. It needs no sync: it guards against the
death of the process, and a power cut is not the object's doing.
"""

from __future__ import annotations

import json
from pathlib import Path

from edge.store.inbox import QuarantineReason

MOST = 5
"""Tries after which an object is answered as unreadable and put into quarantine."""


class Attempts:
    """The object under way, how often it was begun, and what becomes of it once it is answered."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._id, self._count, self.fate = "", 0, None
        try:
            known = json.loads(path.read_text(encoding="ascii"))
            self._id, self._count, self.fate = known["id"], int(known["count"]), known["fate"]
        except (OSError, ValueError, KeyError, TypeError):
            return  # none is known: the count starts at 0

    fate: QuarantineReason | None
    """Why the object goes into quarantine, or None."""

    def begin(self, object_id: bytes) -> int:
        """Note that the object is begun; return how often it was, this time included."""
        if self._id != object_id.hex():
            self._id, self._count, self.fate = object_id.hex(), 0, None
        self._count += 1
        self._write()
        return self._count

    def known(self, object_id: bytes) -> bool:
        """Whether ``fate`` speaks of this object."""
        return self._id == object_id.hex()

    def decide(self, fate: QuarantineReason | None) -> None:
        """Note what becomes of the object, before its result is stored."""
        self.fate = fate
        self._write()

    def not_its_fault(self, object_id: bytes) -> None:
        """The try failed for a reason that lies elsewhere: it does not count."""
        if self.known(object_id):
            self._count -= 1
            self._write()

    def _write(self) -> None:
        temporary = self._path.with_suffix(".new")
        known = {"id": self._id, "count": self._count, "fate": self.fate}
        temporary.write_text(json.dumps(known), encoding="ascii")
        temporary.replace(self._path)

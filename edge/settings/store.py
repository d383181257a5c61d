"""What lies on the box's disk, and how much of it."""

from __future__ import annotations

from pydantic import Field

from edge.settings.section import Section, Whole
from edge.units import Bytes, Seconds, written


class Inbox(Section):
    """Objects received and not yet answered by a result."""

    max_bytes: Bytes = Field(
        written("8 GiB"),
        description="Bound on the inbox; when full the sender gets A700 and keeps the object.",
    )
    min_free: Bytes = Field(written("256 MiB"), description="Free disk below which nothing is accepted.")
    quarantine_max_bytes: Bytes = Field(
        written("2 GiB"), description="Bound on the quarantine; what is oldest in it is erased."
    )
    quarantine_max_objects: Whole = Field(1000, ge=1, description="Most objects in quarantine, likewise.")
    quarantine_max_age: Seconds = Field(
        written("30 d"), ge=3600.0, description="Age from which what is in quarantine is erased."
    )


class Spool(Section):
    """Sealed results that the receiver has not acknowledged yet."""

    max_bytes: Bytes = Field(
        written("4 GiB"), ge=16 << 20, description="Bound by bytes; live results go before scanner results."
    )
    max_age: Seconds = Field(written("30 d"), ge=3600.0, description="Bound by age.")

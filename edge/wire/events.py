"""What a session tells its owner, one value for each thing that happened."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Connected:
    """A connection stands. ``dropped``: mids whose answer will never come."""

    session_present: bool
    dropped: tuple[int, ...]


@dataclass(frozen=True)
class Disconnected:
    """The connection is gone."""

    reason: str


@dataclass(frozen=True)
class Arrived:
    """A message came. ``generation`` counts connections: a packet id belongs to one of them."""

    topic: str
    payload: bytes
    mid: int
    qos: int
    generation: int
    arrived_ms: int


@dataclass(frozen=True)
class Answered:
    """The broker answered a QoS 1 publish (PUBACK). ``code`` is its reason code; 0x80 and up refuse."""

    mid: int
    code: int


@dataclass(frozen=True)
class Wake:
    """Nothing happened; the owner asked to be woken."""


Event = Connected | Disconnected | Arrived | Answered | Wake

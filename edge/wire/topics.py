"""Topics: ``<root>/1/<site>/<device>/<kind>[/<name>[/<n>]]``.

Every level that a setting or a message may name is checked: lower-case letters, digits, ``_``,
``.`` and ``-``. So no level can hold ``/``, ``+``, ``#`` or a space, and no name can reach into
another device's topics (MQTT 5 section 4.7).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

VERSION = "1"

Kind = Literal[
    "state", "caps", "reported", "desired", "cmd", "status", "result", "ack", "event", "tele", "diag"
]

_LEVELS: dict[str, int] = {
    "state": 0,
    "caps": 0,
    "reported": 0,
    "desired": 0,
    "cmd": 1,
    "status": 1,
    "result": 1,
    "ack": 1,
    "event": 1,
    "tele": 1,
    "diag": 2,
}
"""How many levels follow each kind."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,9}")


class TopicError(ValueError):
    """A name that no topic level may have, or a topic that is none of ours."""


def check_name(name: str) -> str:
    """The name, if it may be a topic level.

    Raises:
        TopicError: it may not.
    """
    if not _NAME.fullmatch(name):
        raise TopicError("expected 1 to 63 of a-z, 0-9, '_', '.', '-', the first a letter or digit")
    return name


def _check_uuid(uuid: str) -> str:
    if not _UUID.fullmatch(uuid):
        raise TopicError("expected a UUID in lower case with hyphens")
    return uuid


@dataclass(frozen=True)
class Topic:
    """A parsed topic. ``name`` and ``part`` are empty for kinds that have none."""

    root: str
    site: str
    device: str
    kind: Kind
    name: str = ""
    part: str = ""

    def __str__(self) -> str:
        levels = [self.root, VERSION, self.site, self.device, self.kind, self.name, self.part]
        return "/".join(level for level in levels if level)


@dataclass(frozen=True)
class Topics:
    """All topics of one device."""

    root: str
    site: str
    device: str

    def __post_init__(self) -> None:
        for name in (self.root, self.site, self.device):
            check_name(name)

    def _topic(self, kind: Kind, name: str = "", part: str = "") -> str:
        return str(Topic(self.root, self.site, self.device, kind, name, part))

    @property
    def state(self) -> str:
        """Retained state of the box; also its will."""
        return self._topic("state")

    @property
    def caps(self) -> str:
        """What the box can do, retained."""
        return self._topic("caps")

    @property
    def reported(self) -> str:
        """Configuration in force, retained."""
        return self._topic("reported")

    @property
    def desired(self) -> str:
        """Configuration wished for, retained."""
        return self._topic("desired")

    def cmd(self, uuid: str) -> str:
        """A command, retained until its terminal status."""
        return self._topic("cmd", _check_uuid(uuid))

    def status(self, uuid: str) -> str:
        """States of one command."""
        return self._topic("status", _check_uuid(uuid))

    def result(self, stream: str) -> str:
        """Sealed bodies of one stream."""
        return self._topic("result", check_name(stream))

    def ack(self, stream: str) -> str:
        """The receiver's signed acknowledgements of one stream."""
        return self._topic("ack", check_name(stream))

    def event(self, kind: str) -> str:
        """Sealed events."""
        return self._topic("event", check_name(kind))

    def tele(self, name: str) -> str:
        """Telemetry, QoS 0."""
        return self._topic("tele", check_name(name))

    def diag(self, uuid: str, n: int) -> str:
        """Part ``n`` of a diagnostic answer."""
        if n < 0:
            raise TopicError("expected a part number of 0 or more")
        return self._topic("diag", _check_uuid(uuid), str(n))

    @property
    def all_acks(self) -> str:
        """Subscription: acknowledgements of every stream."""
        return f"{self._topic('ack')}/+"

    @property
    def all_commands(self) -> str:
        """Subscription: every command to this device."""
        return f"{self._topic('cmd')}/+"


def site_filter(root: str, site: str, kind: Kind) -> str:
    """Subscription to one kind of topic of every device of a site."""
    return "/".join([check_name(root), VERSION, check_name(site), "+", kind] + ["+"] * _LEVELS[kind])


def parse(topic: str) -> Topic:
    """Take a topic apart.

    Raises:
        TopicError: not a topic of this protocol version.
    """
    levels = topic.split("/")
    if len(levels) < 5 or levels[1] != VERSION or levels[4] not in get_args(Kind):
        raise TopicError("expected <root>/1/<site>/<device>/<kind>")
    root, _, site, device, kind, *rest = levels
    if len(rest) != _LEVELS[kind]:
        raise TopicError("expected another number of levels for this kind of topic")
    for name in (root, site, device):
        check_name(name)
    if kind in ("cmd", "status", "diag"):
        _check_uuid(rest[0])
    elif rest:
        check_name(rest[0])
    if kind == "diag" and not _NUMBER.fullmatch(rest[1]):
        raise TopicError("expected a part number")
    return Topic(root, site, device, kind, *rest)  # type: ignore[arg-type]  # kind was checked

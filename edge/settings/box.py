"""Who the box is, whom it talks and answers to, and who watches it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from edge.settings.section import Name, Section, Whole
from edge.units import Seconds, written


class Box(Section):
    """Who this box is and where it keeps its state."""

    site: Name = Field("demo-clinic", description="Name of the clinic's site; part of every topic.")
    device: Name = Field("box-1", description="Name of this box; equals its certificate's common name.")
    root: Name = Field("edge", description="First level of every topic.")
    state: Path = Field(
        Path("/var/lib/edge"), description="Directory of inbox, spool and ledger; owner-only."
    )
    runtime: Path = Field(Path("/run/edge"), description="Directory of the capture process's socket.")
    keys: Path = Field(Path("/etc/edge/keys"), description="Directory of the box's own keys; owner-only.")


class Broker(Section):
    """The clinic's MQTT broker. TLS 1.3 and client certificates, always."""

    host: str = Field("localhost", description="Name of the broker, as its certificate has it.")
    port: Whole = Field(8883, ge=1, le=65535, description="TCP port of the broker.")
    ca: Path = Field(Path("/etc/edge/broker-ca.pem"), description="Certificate authority of the broker.")
    certificate: Path = Field(Path("/etc/edge/keys/box.pem"), description="The box's client certificate.")
    key: Path = Field(Path("/etc/edge/keys/box.key"), description="The box's client key.")
    keepalive: Seconds = Field(
        written("20 s"), ge=1, le=65535, description="Silence after which the connection is probed."
    )
    session_expiry: Seconds = Field(
        written("7 d"), ge=1, lt=2**32, description="How long the broker keeps our session."
    )
    max_inflight: Whole = Field(
        20,
        ge=1,
        le=65535,
        description="Messages under way at once; the broker's Receive Maximum bounds it too.",
    )
    resend_after: Seconds = Field(
        written("15 s"),
        ge=1.0,
        description="A result without the receiver's word for so long is sent again.",
    )


class Clinic(Section):
    """Whom the box answers to."""

    manifest: Path = Field(
        Path("/etc/edge/manifest.cose"), description="Signed manifest of roles, recipients and boxes."
    )
    root_key: Path = Field(
        Path("/etc/edge/clinic-root.pub"), description="Public key of the clinic's root; pins the manifest."
    )


class Watchdog(Section):
    """When the daemon counts as stuck."""

    stall: Seconds = Field(
        written("30 s"),
        description="A stage with waiting input and no output for so long starves the watchdog.",
    )
    drain: Seconds = Field(
        written("10 s"),
        le=20.0,
        description="Time that SIGTERM leaves for work under way; the unit gives 30 s.",
    )


class Log(Section):
    """The journal."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Lowest level that is written."
    )

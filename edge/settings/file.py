"""The settings file: read, checked, and written with its defaults."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from pydantic import Field, model_validator

from edge import toml_file
from edge.settings.anonymize import Anonymize, PrivacySwitch, Proof
from edge.settings.box import Box, Broker, Clinic, Log, Watchdog
from edge.settings.classify import Model, Quality
from edge.settings.scanner import Decode, Dicom, Scanner, Series
from edge.settings.section import Section
from edge.settings.source import Source
from edge.settings.store import Inbox, Spool

DEFAULT_PATH = Path("/etc/edge/edge.toml")

_RESERVED = {"scanner", "series", "events"}
"""Streams of the box's own."""


class SettingsError(Exception):
    """The settings file is wrong. The message names file, line, and what was expected."""


class Settings(Section):
    """The whole file."""

    box: Box = Box()
    broker: Broker = Broker()
    clinic: Clinic = Clinic()
    model: Model = Model()
    dicom: Dicom = Dicom()
    inbox: Inbox = Inbox()
    decode: Decode = Decode()
    spool: Spool = Spool()
    series: Series = Series()
    quality: Quality = Quality()
    anonymize: Anonymize = Anonymize()
    privacy_switch: PrivacySwitch = PrivacySwitch()
    proof: Proof = Proof()
    watchdog: Watchdog = Watchdog()
    log: Log = Log()
    scanner: tuple[Scanner, ...] = Field((), description="Scanners of whose images a part is kept.")
    source: tuple[Source, ...] = Field((), description="Cameras, videos and folders.")

    @model_validator(mode="after")
    def _names_differ(self) -> Settings:
        names = [source.name for source in self.source]
        twice = sorted({name for name in names if names.count(name) > 1} | _RESERVED & set(names))
        if twice:
            raise ValueError(
                "expected a name of its own for each source (scanner, series and events are taken); "
                f"given twice: {', '.join(twice)}"
            )
        return self

    @model_validator(mode="after")
    def _switch_is_there(self) -> Settings:
        without = [
            source.name for source in self.source if source.kind == "camera" and source.consent == "switch"
        ]
        if without and self.privacy_switch.kind == "none":
            raise ValueError(
                f'expected [privacy_switch] with kind = "file", "gpio" or "key": it is the consent of '
                f"{', '.join(without)}"
            )
        return self

    def blind_sources(self) -> list[str]:
        """Sources that stay blind, each with what to write into the settings."""
        return [
            f"source {source.name} stays blind: {why}"
            for source in self.source
            if (why := source.blind_because()) is not None
        ]

    def anonymization_digest(self) -> bytes:
        """SHA-256 over the sections that decide what is masked and seen, as JSON.

        They are [anonymize], [privacy_switch], [[scanner]] and [[source]].
        """
        sections = self.model_dump(mode="json", include={"anonymize", "privacy_switch", "scanner", "source"})
        return hashlib.sha256(json.dumps(sections, sort_keys=True).encode()).digest()


def load(path: Path) -> Settings:
    """Read and check the settings file.

    Raises:
        SettingsError: one line an error, each with file, line and what was expected.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise SettingsError(
            f"{path}: {reason}; expected a settings file (write one with: edge settings > {path})"
        ) from error
    return parse(text, str(path))


def parse(text: str, name: str = "edge.toml") -> Settings:
    """Check settings given as text; see `load`."""
    settings, errors = toml_file.parse(text, name, Settings)
    if settings is None:
        raise SettingsError("\n".join(errors))
    return settings


def missing_paths(settings: Settings, text: str, name: str) -> list[str]:
    """Paths that must exist before the daemon starts, each as ``file:line: what was expected``."""
    needed: list[tuple[toml_file.Where, Path, str]] = [
        (("broker", "ca"), settings.broker.ca, "the broker's certificate authority"),
        (("broker", "certificate"), settings.broker.certificate, "the box's client certificate"),
        (("broker", "key"), settings.broker.key, "the box's client key"),
        (("clinic", "manifest"), settings.clinic.manifest, "the clinic's manifest"),
        (("clinic", "root_key"), settings.clinic.root_key, "the clinic root's public key"),
        (("model", "bundle"), settings.model.bundle, "a model bundle"),
        (("model", "trusted_root"), settings.model.trusted_root, "the TUF root of the model bundle"),
        (
            ("box", "keys"),
            settings.box.keys / "signing.key",
            "the box's signing key (edge init-box makes it)",
        ),
        (("box", "state"), settings.box.state / "disk.pub", "the box's disk key (edge init-box makes it)"),
        (
            ("box", "state"),
            settings.box.state / "keys" / "disk.key",
            "the box's disk key (edge init-box makes it)",
        ),
    ]
    for place, model in (
        ("face_model", settings.anonymize.face_model),
        ("yunet_model", settings.anonymize.yunet_model),
        ("text_model", settings.anonymize.text_model),
    ):
        if model is not None:
            needed.append((("anonymize", place), model, "the weights of the detector"))
    for number, source in enumerate(settings.source):
        if source.kind == "folder":
            needed.append((("source", number, "path"), source.path, "a folder to watch"))
        needed += [
            (("source", number, "layouts"), path, "a layout that edge clinic sign-layout wrote")
            for path in source.layouts
        ]
    return [
        f"{name}:{toml_file.line_of(text, where)}: {'.'.join(map(str, where))}: "
        f"{path} does not exist; expected {what}"
        for where, path, what in needed
        if not path.exists()
    ]


def annotated_default() -> str:
    """The default settings as TOML, each key with its sentence."""
    heading = "# Settings of the box. Durations and sizes carry their unit.\n\n"
    return heading + toml_file.annotated_default(Settings)

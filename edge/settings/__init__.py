"""Every setting of the box: typed, with its default, its unit and a sentence.

The file is TOML (/etc/edge/edge.toml). Durations and sizes are written with their unit, as in
``"400 ms"`` or ``"2 GiB"``, so that a bare number can never be read in the wrong one. Whatever is
wrong with the file is reported with file, line and what was expected, and the daemon does not
start.
"""

from edge.settings.anonymize import Anonymize, PrivacySwitch, Proof, Script
from edge.settings.box import Box, Broker, Clinic, Log, Watchdog
from edge.settings.classify import Model, Quality
from edge.settings.file import (
    DEFAULT_PATH,
    Settings,
    SettingsError,
    annotated_default,
    load,
    missing_paths,
    parse,
)
from edge.settings.scanner import Decode, Dicom, Scanner, Series
from edge.settings.section import Section
from edge.settings.source import Source
from edge.settings.store import Inbox, Spool

__all__ = [
    "DEFAULT_PATH",
    "Anonymize",
    "Box",
    "Broker",
    "Clinic",
    "Decode",
    "Dicom",
    "Inbox",
    "Log",
    "Model",
    "PrivacySwitch",
    "Proof",
    "Quality",
    "Scanner",
    "Script",
    "Section",
    "Series",
    "Settings",
    "SettingsError",
    "Source",
    "Spool",
    "Watchdog",
    "annotated_default",
    "load",
    "missing_paths",
    "parse",
]

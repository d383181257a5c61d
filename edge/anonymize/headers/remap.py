"""Keyed replacement of UIDs, patient identifiers and dates.

All are HMAC-SHA256 under a key of the clinic, so that one clinic gets the same replacement on every
run and machine, and nobody without the key can go back or test a guess. The key stays with the
clinic; the box has none.
"""

from __future__ import annotations

import base64
import hmac
import os
import re
import stat
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path

from pydicom.uid import UID

KEY_BYTES = 32
_MAX_SHIFT_DAYS = 3650
_DATE = re.compile(r"(\d{4})[.]?(\d{2})[.]?(\d{2})")
_TIME_OF_DAY = r"(?:[01]\d|2[0-3])(?:[0-5]\d(?:(?:[0-5]\d|60)(?:\.\d{1,6})?)?)?"
_TIME = re.compile(_TIME_OF_DAY)
_DATETIME = re.compile(rf"(\d{{4}})(\d{{2}})?(\d{{2}})?((?:{_TIME_OF_DAY})?)((?:[+-](?:0\d|1[0-4])[0-5]\d)?)")


class KeyFileError(Exception):
    """The key file cannot be used. The message says what to do."""


def read_key(path: Path) -> bytes:
    """The clinic's key for replacements: 32 bytes in an owner-only file.

    Raises:
        KeyFileError: missing, of another size, or readable by others.
    """
    try:
        data = path.read_bytes()
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        raise KeyFileError(f"{path}: {error.strerror}; make a key with --new-key") from error
    if len(data) != KEY_BYTES:
        raise KeyFileError(f"{path}: expected {KEY_BYTES} bytes, found {len(data)}")
    if mode & 0o077:
        raise KeyFileError(f"{path}: others can read the key; run: chmod 600 {path}")
    return data


def new_key(path: Path) -> None:
    """Write a fresh key, owner-only; an existing file is never overwritten.

    Raises:
        KeyFileError: the file exists or cannot be written.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(os.urandom(KEY_BYTES))
    except OSError as error:
        raise KeyFileError(f"{path}: {error.strerror}; a key is never overwritten") from error


@dataclass(frozen=True, repr=False)
class Remap:
    """Replacements for one patient's data set.

    Args:
        key: the clinic's key.
        patient: what names the patient within the clinic: issuer and Patient ID. It selects the
            date shift and the pseudonym.
    """

    key: bytes
    patient: str

    def _mac(self, purpose: str, value: str) -> bytes:
        message = purpose.encode() + b"\0" + value.encode("utf-8", "surrogateescape")
        return hmac.digest(self.key, message, "sha256")

    def uid(self, value: str) -> str:
        """The replacement of a UID, in the UUID form 2.25 (PS3.5 B.2).

        A UID that PS3.6 Annex A registers stays. To begin like one is not enough: what follows may be
        a number that names the patient.
        """
        if UID(value).name != value:
            return value
        raw = bytearray(self._mac("uid", value)[:16])
        raw[6] = raw[6] & 0x0F | 0x80  # UUID version 8 (RFC 9562): custom
        raw[8] = raw[8] & 0x3F | 0x80
        return f"2.25.{int.from_bytes(raw, 'big')}"

    def pseudonym(self) -> str:
        """The patient's replacement for name and ID."""
        return "P" + self._label("patient", self.patient)

    def equipment(self, address: str) -> str:
        """The replacement of an AE title or network name: 13 characters, the same for the same machine."""
        return "AE" + self._label("equipment", address)[:11]

    def _label(self, purpose: str, value: str) -> str:
        return base64.b32encode(self._mac(purpose, value)[:10]).decode()

    def name(self, content: bytes) -> str:
        """An opaque name for an output file, from the digest of its content."""
        return hmac.digest(self.key, b"file\0" + content, "sha256").hex()[:32]

    @cached_property
    def _shift(self) -> timedelta:
        number = int.from_bytes(self._mac("date", self.patient)[:8], "big")
        return timedelta(days=1 + number % _MAX_SHIFT_DAYS)

    def shift(self) -> timedelta:
        """How much earlier all dates of this patient are set: 1 to 3650 days."""
        return self._shift

    def date(self, value: str) -> str | None:
        """A DA value, shifted; None if it is not a date."""
        match = _DATE.fullmatch(value.strip())
        return None if match is None else self._moved(match[1], match[2], match[3])

    def datetime(self, value: str) -> str | None:
        """A DT value, its date shifted, its time and time zone as they were; None if it is not one."""
        match = _DATETIME.fullmatch(value.strip())
        if match is None:
            return None
        moved = self._moved(match[1], match[2] or "07", match[3] or "01")
        if moved is None:
            return None
        digits = 8 if match[3] else 6 if match[2] else 4
        return moved[:digits] + (match[4] if match[3] else "") + match[5]

    def _moved(self, year: str, month: str, day: str) -> str | None:
        try:
            moved = date(int(year), int(month), int(day)) - self._shift
        except (ValueError, OverflowError):
            return None
        return f"{moved.year:04}{moved.month:02}{moved.day:02}"


def time_of_day(value: str) -> str | None:
    """A TM value as it is: the shift is by whole days; None if it is not a time."""
    stripped = value.strip()
    return stripped if _TIME.fullmatch(stripped) else None

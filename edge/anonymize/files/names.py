"""Opaque names under the clinic's key: of files in the report, and of copies in the folder of outputs.

Every name is HMAC-SHA256 in base 32, so that names of originals, which may name patients, can
neither be read nor guessed without the key. Components are upper case with digits, unique on file
systems that fold case. They are longer than the 8 characters that PS3.10 8.2 grants a File ID: 8
characters hold 40 bits, too few for large archives to be free of clashes. Whoever burns a DICOM
file-set numbers the files anew, as tools that write a DICOMDIR do.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from pathlib import PurePosixPath

from pydicom.dataset import Dataset

from edge.anonymize.headers.remap import Remap

_LONG, _SHORT = 26, 16
"""Characters: 130 bits for what must never clash, 80 for a folder within a patient's."""


class Names:
    """Names that one clinic gets on every run, and nobody else can make.

    Args:
        key: the clinic's key of replacements.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def _name(self, purpose: str, value: bytes, length: int) -> str:
        mac = hmac.new(self._key, b"archive\0" + purpose.encode() + b"\0" + value, hashlib.sha256).digest()
        return base64.b32encode(mac).decode()[:length]

    def key_id(self) -> str:
        """Tells keys apart and says nothing about them."""
        return self._name("key", b"", _SHORT)

    def original(self, relative: str) -> str:
        """The name of an original in the report, from its path below IN."""
        return self._name("path", os.fsencode(relative), _LONG)

    def state(self, size: int, mtime_ns: int) -> str:
        """Changes when an original's size or time of modification does; both could tell of a person."""
        return self._name("state", f"{size} {mtime_ns}".encode(), _SHORT)

    def content(self, sha256: bytes) -> str:
        """Changes when an original's bytes do. A bare digest would let others test a guess."""
        return self._name("content", sha256, _LONG)

    def dicom(self, header: Dataset, remap: Remap, sha256: bytes) -> str:
        """``PATIENT/STUDY/SERIES/OBJECT.dcm``; the patient's folder is the Patient ID of the copies.

        Args:
            header: the original's.
            remap: replacements of its patient.
            sha256: digest of the original's bytes: two objects under one UID both stay.
        """
        study, series = (
            self._name(
                keyword, f"{remap.patient}\0{header.get(keyword, '')}".encode("utf-8", "replace"), _SHORT
            )
            for keyword in ("StudyInstanceUID", "SeriesInstanceUID")
        )
        name = f"{self._name('object', sha256, _LONG)}.dcm"
        return str(PurePosixPath(remap.pseudonym(), study, series, name))

    def image(self, sha256: bytes) -> str:
        """Path of a still image, which names no patient."""
        return f"IMAGES/{self._name('object', sha256, _LONG)}.png"

    def video(self, sha256: bytes) -> str:
        """Path of a video, which names no patient."""
        return f"VIDEOS/{self._name('object', sha256, _LONG)}.mp4"

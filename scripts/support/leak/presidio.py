"""presidio-image-redactor beside ours: its locked environment, and a process of `presidio_worker` in it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

_LOCK = Path(__file__).resolve().parents[2] / "requirements" / "presidio.txt"
_WORKER = Path(__file__).with_name("presidio_worker.py")
WAYS = ("presidio", "presidio, all text")


class PeerMissingError(Exception):
    """The peer cannot run. The message says why, for the table."""


def environment(cache: Path) -> Path:
    """The interpreter of an environment with the locked packages, made if it is not there.

    Raises:
        PeerMissingError: it cannot be installed.
    """
    folder = cache / "presidio"
    python, stamp = folder / "bin" / "python", folder / ".lock"
    digest = hashlib.sha256(_LOCK.read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text() == digest:
        return python
    print("presidio-image-redactor: installing its locked packages (about 800 MB on disk)", flush=True)
    install = ["-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--only-binary", ":all:",
               "--no-deps", "--require-hashes", "-r", str(_LOCK)]  # fmt: skip
    for command in ([sys.executable, "-m", "venv", "--clear", str(folder)], [str(python), *install]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            said = (done.stderr.strip() or done.stdout.strip() or "no reason given").splitlines()[-1]
            raise PeerMissingError(f"its packages cannot be installed: {said}")
    stamp.write_text(digest)
    return python


class Peer:
    """A running worker.

    Args:
        python: the interpreter of its environment.

    Raises:
        PeerMissingError: it does not start, or finds not even a printed date.
    """

    def __init__(self, python: Path) -> None:
        self._process = subprocess.Popen(
            [str(python), str(_WORKER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True, env={**os.environ, "OMP_THREAD_LIMIT": "1"},
        )  # fmt: skip
        said = self._hear()
        self.has_model = bool(said["model"])
        if not said["works"]:
            self.close()
            raise PeerMissingError("its OCR does not find a printed date: install tesseract-ocr")

    @property
    def notes(self) -> str:
        """What of it is missing, for the table; empty if nothing is."""
        if self.has_model:
            return ""
        return (
            "WITHOUT its spaCy model, which is on no package index: it knows names from the header alone; "
            ".cache/leak/presidio/bin/python -m spacy download en_core_web_lg adds it"
        )

    def redact(self, data: bytes, suffix: str) -> dict[str, dict[str, Any]]:
        """What each way makes of a file: ``pixels`` (an array), ``masked`` and ``seconds``, or ``held``."""
        assert self._process.stdin is not None
        with tempfile.TemporaryDirectory(prefix="edge-leak-") as folder:
            path = Path(folder) / f"original{suffix}"
            path.write_bytes(data)
            self._process.stdin.write(f"{path}\n")
            self._process.stdin.flush()
            found = self._hear()
            for result in found.values():
                if "pixels" in result:
                    result["pixels"] = np.load(result["pixels"])
        return found

    def _hear(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise PeerMissingError("its process ended: run scripts/support/leak/presidio_worker.py by hand")
        heard: dict[str, Any] = json.loads(line)
        return heard

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()

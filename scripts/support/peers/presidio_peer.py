"""presidio-image-redactor beside ours: its locked environment, and a process of `presidio_worker` in it."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from support.peers.environment import PeerMissingError, ready

_WORKER = Path(__file__).with_name("presidio_worker.py")
WAYS = ("presidio", "presidio, all text")


def interpreter() -> Path:
    """The interpreter of its environment; raises PeerMissingError."""
    return ready("presidio") / "python"


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
            ".cache/peers/presidio/bin/python -m spacy download en_core_web_lg adds it"
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

"""Archives for tests of `edge anonymize`: made, anonymized, read back."""

from __future__ import annotations

import argparse
import io
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydicom

from edge.anonymize.files.cli import add_commands
from tests.anonymize.plant import planted


def command(*args: object) -> int:
    """`edge anonymize` in this process; the exit code."""
    parser = argparse.ArgumentParser()
    add_commands(parser.add_subparsers())
    parsed = parser.parse_args(["anonymize", *map(str, args)])
    code: int = parsed.run(parsed)
    return code


def started(*args: object, **how: Any) -> subprocess.Popen[str]:
    """`edge anonymize` in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "edge.cli", "anonymize", *map(str, args)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **how,
    )  # fmt: skip


@dataclass
class Lines:
    """A report, read back."""

    all: list[dict[str, Any]]

    @property
    def files(self) -> list[dict[str, Any]]:
        """The files' lines by number; every number must stand there once."""
        found = sorted(
            (line for line in self.all if line["record"] == "file"), key=lambda line: line["number"]
        )
        assert len({line["number"] for line in found}) == len(found)
        return found

    @property
    def summary(self) -> dict[str, Any]:
        """The last line."""
        assert self.all[-1]["record"] == "summary"
        return self.all[-1]


def lines(report: Path) -> Lines:
    """Read a report."""
    return Lines([json.loads(line) for line in report.read_text().splitlines()])


def files(folder: Path) -> list[Path]:
    """All files below a folder."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def tree(folder: Path) -> dict[str, bytes]:
    """Paths and bytes of all files below a folder, hidden ones, too."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in files(folder)}


def small(number: int, shape: tuple[int, int] = (32, 32)) -> bytes:
    """A CR object of the patient ``number % 3``; its flat image asks for no look by a network."""
    ds = pydicom.dcmread(io.BytesIO(planted(np.full(shape, 90, np.uint8))))
    ds.PatientID = f"MRN{number % 3}"
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.4.5.{number}"
    buffer = io.BytesIO()
    ds.save_as(buffer)
    return buffer.getvalue()


def archive(folder: Path, count: int) -> Path:
    """A folder of ``count`` small objects in two levels of folders."""
    for number in range(count):
        path = folder / f"P{number % 3}" / f"{number:05d}.dcm"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(small(number))
    return folder


def workers(parent: int) -> list[int]:
    """Process ids of the children of a process."""
    found = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [int(pid) for pid in found]


def alive(pid: int) -> bool:
    """Whether a process runs; one that waits for somebody to read its exit code does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for(condition: Any, seconds: float = 60.0) -> None:
    """Wait until ``condition()`` is true."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited too long"
        time.sleep(0.01)


def end(process: subprocess.Popen[str], how: int = signal.SIGKILL) -> tuple[int, str, str]:
    """Send a signal, wait; exit code and what was said."""
    if process.poll() is None:
        os.kill(process.pid, how)
    said, complained = process.communicate(timeout=60)
    return process.returncode, said, complained

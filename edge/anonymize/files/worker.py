"""A process that anonymizes files, one at a time, and may die of one: no other file is touched by that.

Started by `edge.anonymize.files.workers` as ``python -m edge.anonymize.files.worker FD PARENT``. Over
the socket FD come and go JSON messages: first the set-up, which is answered by ``ready``; then a
file each, which is answered by any number of ``beat`` and one ``report``, or by ``output`` with an
errno if the copy cannot be written.
"""

from __future__ import annotations

import ctypes
import json
import logging
import os
import resource
import signal
import sys
import time
from dataclasses import asdict
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import cv2

from edge.anonymize.detectors import load_detectors
from edge.anonymize.files.one_file import FileAnonymizer, How
from edge.anonymize.files.staged import OutputFailed
from edge.anonymize.files.workers import MAX_MESSAGE
from edge.anonymize.headers.options import Options
from edge.settings import Anonymize, Scanner, Source

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_BEAT_EVERY = 1.0
_INPUT_SHARE = 4
"""An object is held about so often at once: as bytes, as data set, as frames, as copy."""


class _Link:
    """JSON over a connection; nothing that could run code crosses it."""

    def __init__(self, connection: Connection[Any, Any]) -> None:
        self._connection = connection
        self._beaten = 0.0

    def receive(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self._connection.recv_bytes(MAX_MESSAGE))
        return message

    def send(self, **message: Any) -> None:
        self._connection.send_bytes(json.dumps(message).encode())

    def beat(self) -> None:
        now = time.monotonic()
        if now - self._beaten >= _BEAT_EVERY:
            self._beaten = now
            self.send(t="beat")


def _confine(parent: int, memory: int) -> None:
    """Bounds of a worker: memory, no core dump, no life without its parent."""
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl was refused")
    if os.getppid() != parent:  # it died before the line above
        os._exit(0)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))


def _silence() -> None:
    """Native decoders write to these, and may quote what they read."""
    logging.disable(logging.CRITICAL)
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 1)
    os.dup2(sink, 2)


def _serve(link: _Link, parent: int) -> None:
    setup = link.receive()
    _confine(parent, setup["memory"])
    cv2.setNumThreads(1)
    settings = Anonymize(scripts=setup["scripts"])
    detectors = load_detectors(settings, threads=1)
    how = How(
        key=bytes.fromhex(setup["key"]),
        settings=settings,
        options=Options.from_names(setup["options"]),
        source=Source.model_validate(setup["source"]),
        most_bytes=setup["memory"] // _INPUT_SHARE,
        scanners=tuple(map(Scanner.model_validate, setup["scanners"])),
    )
    anonymizer = FileAnonymizer(how, detectors, link.beat)
    used = {d.name: d.sha256.hex() for d in detectors.thorough}
    problems = list(detectors.problems)
    failed = None if problems else anonymizer.self_test()
    if failed is not None:
        problems.append(f"{failed}: the detectors do not find the known face and the known text")
    link.send(t="ready", detectors=used, problems=problems)
    while True:
        task = link.receive()
        copy = Path(task["copy"])
        try:
            report = anonymizer.run(Path(task["path"]), task["number"], copy)
            if report.output is None:
                copy.unlink(missing_ok=True)
        except OutputFailed as error:
            link.send(t="output", errno=error.code)
        else:
            link.send(t="report", report=asdict(report))


def main() -> int:
    """Arguments: descriptor of the socket, parent's process id."""
    link = _Link(Connection(int(sys.argv[1])))
    _silence()
    try:
        _serve(link, int(sys.argv[2]))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())

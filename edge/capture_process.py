"""The capture process: all that takes foreign input, assembled.

``python -m edge.capture_process --settings FILE`` runs in the foreground until SIGTERM or SIGINT.
It holds no key but the public half of the box's disk key.

Exit codes: 0 stopped by a signal; 69 (EX_UNAVAILABLE) another capture process holds the inbox;
70 (EX_SOFTWARE) an error of its own; 73 (EX_CANTCREAT) state or runtime directory cannot be written;
78 (EX_CONFIG) the settings or the disk key are wrong or missing.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edge import journal
from edge import settings as settings_module
from edge.capture.confine import deny_dumps
from edge.capture.decode_pool import DecodePool, PoolLimits
from edge.capture.dicom_scp import DicomScp, ScpSettings
from edge.capture.folder import Folder
from edge.capture.live_source import LiveSource
from edge.capture.server import Server
from edge.capture.sink import Refused
from edge.capture.sources import BlindCamera, Source
from edge.flag import Flag
from edge.health import notify
from edge.imaging.decoded import DecodeLimits
from edge.settings import Settings, SettingsError
from edge.store.inbox import InboxFull, InboxLimits, InboxLocked, InboxWriter
from edge.store.inbox_crypto import DiskPublicKey, load_public
from edge.wiping import overwrite_freed_memory

log = logging.getLogger("edge.capture")

EX_OK, EX_UNAVAILABLE, EX_SOFTWARE, EX_CANTCREAT, EX_CONFIG = 0, 69, 70, 73, 78


@dataclass
class InboxSink:
    """The inbox as the capture room's sink; tells the daemon of each object."""

    writer: InboxWriter
    notice: Callable[[], None]

    def put(self, kind: Literal["dicom", "still"], source: str, data: bytes) -> None:
        """See `edge.capture.sink.Sink`."""
        try:
            self.writer.put(kind, source, data, time.time_ns() // 1_000_000)
        except InboxFull as error:
            raise Refused(str(error)) from error
        self.notice()


class CaptureProcess:
    """Everything assembled: inbox, decoders, socket, sources."""

    def __init__(self, settings: Settings, disk_key: DiskPublicKey) -> None:
        """Open the inbox and clean it.

        Raises:
            InboxLocked: another capture process is running.
            OSError: the state directory cannot be written.
        """
        box, decode = settings.box, settings.decode
        limits = InboxLimits(settings.inbox.max_bytes, settings.inbox.min_free)
        self._inbox = InboxWriter(box.state / "inbox", disk_key, limits)
        decode_limits = DecodeLimits(decode.max_pixels, decode.max_frames, decode.max_bytes)
        pool_limits = PoolLimits(
            decode_limits, settings.dicom.max_object + (1 << 20), decode.memory, decode.timeout
        )
        self._pool = DecodePool(decode.workers, pool_limits)
        self._server = Server(box.runtime, self._pool)
        sink = InboxSink(self._inbox, self._server.notice)
        self._sources: list[Source] = []
        if settings.dicom.enabled:
            self._sources.append(DicomScp(_scp_settings(settings), sink))
        live: dict[str, LiveSource] = {}
        for source in settings.source:
            if source.kind == "folder":
                memory = None if source.delete else box.state / "capture" / f"{source.name}.seen"
                self._sources.append(
                    Folder(
                        source.name, source.path, sink,
                        max_object=settings.dicom.max_object, delete=source.delete, memory=memory,
                    )
                )  # fmt: skip
            elif source.kind == "camera" and source.blind_because() is not None:
                self._sources.append(BlindCamera(source.name))
            else:
                live[source.name] = LiveSource(source.name, _live_options(settings, source), self._server)
                self._sources.append(live[source.name])
        self._server.watch(self._sources, live)

    def start(self) -> None:
        """Start all parts.

        Raises:
            OSError: the runtime directory cannot be written.
        """
        self._server.start()
        self._pool.start()
        for source in self._sources:
            source.start()

    def stop(self) -> None:
        """Stop all parts: first what takes things in."""
        for source in self._sources:
            source.stop()
        self._server.stop()
        self._pool.stop()
        self._inbox.close()


def _scp_settings(settings: Settings) -> ScpSettings:
    dicom = settings.dicom
    return ScpSettings(
        dicom.bind, dicom.port, dicom.ae_title, dicom.allowed_ae, dicom.max_associations,
        dicom.max_pdu, dicom.max_object, dicom.idle,
    )  # fmt: skip


def _live_options(settings: Settings, source: settings_module.Source) -> dict[str, str | int | float | bool]:
    return {
        "kind": source.kind, "path": str(source.path), "pace": source.pace, "loop": source.loop,
        "width": source.width, "height": source.height, "rate": source.rate,
        "modality": source.modality, "body_part": source.body_part,
        "max_pixels": settings.decode.max_pixels, "memory": settings.decode.memory,
    }  # fmt: skip


def run(settings: Settings) -> int:
    """Run until SIGTERM or SIGINT; see the exit codes above."""
    deny_dumps()
    # Nothing for others, ever; the group's bits as the service manager set them: on the box the daemon is
    # another user of the inbox's group, and must be able to open and delete what comes in.
    os.umask(os.umask(0o077) | 0o007)
    stopped = Flag()
    broken = threading.Event()

    def thread_ended(args: threading.ExceptHookArgs) -> None:
        # A box that looks alive and takes nothing in is worse than one that is started anew.
        log.critical("a thread of the capture process ended: %s", args.exc_type.__name__)
        broken.set()
        stopped.set()

    threading.excepthook = thread_ended
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    try:
        disk_key = load_public(settings.box.state / "disk.pub")
    except (OSError, ValueError) as error:
        log.error("no disk key: %s; make one with: edge init-box", error)
        return EX_CONFIG
    try:
        process = CaptureProcess(settings, disk_key)
    except InboxLocked as error:
        log.error("%s; stop the other one first", error)
        return EX_UNAVAILABLE
    except OSError as error:
        log.error("cannot write %s: %s", settings.box.state, error.strerror)
        return EX_CANTCREAT
    try:
        process.start()
    except OSError as error:
        log.error("cannot write %s: %s", settings.box.runtime, error.strerror)
        return EX_CANTCREAT
    notify.ready("taking in images")
    log.info("capture is ready")
    while not stopped.wait(1.0):
        notify.notify("WATCHDOG=1")
    notify.stopping("closing")
    process.stop()
    return EX_SOFTWARE if broken.is_set() else EX_OK


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line, load the settings, run."""
    parser = argparse.ArgumentParser(prog="edge capture", description="Take in images for the box.")
    parser.add_argument("--settings", type=Path, default=settings_module.DEFAULT_PATH, help="settings file")
    options = parser.parse_args(arguments)
    overwrite_freed_memory()
    try:
        settings = settings_module.load(options.settings)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return EX_CONFIG
    journal.set_up(settings.log.level)
    return run(settings)


if __name__ == "__main__":
    sys.exit(main())

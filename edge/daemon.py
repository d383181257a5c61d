"""The daemon's life: assemble the box, tell systemd, watch the pulses, drain, stop."""

from __future__ import annotations

import logging
import secrets
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from edge import __version__, journal
from edge.anonymize.consent.sight import View, unhindered
from edge.assembly import Box, NotReadyError, is_realtime
from edge.capture.client import CaptureClient
from edge.commands.ledger import Ledger
from edge.commands.room import CommandRoom
from edge.commands.rules import Now
from edge.flag import Flag
from edge.health import notify
from edge.health.proof import in_words, what_to_do, with_proof
from edge.health.watch import Pulse, stalled
from edge.imaging.frames import RawFrame
from edge.messages import Blindness, Command, DeviceState, SourceHealth
from edge.pipeline.directory import unix_ms
from edge.pipeline.live import LivePath
from edge.pipeline.released import Released
from edge.pipeline.scanner import STREAM, ScannerPath
from edge.settings import Settings, SettingsError, load, missing_paths
from edge.wire.codec import encode
from edge.wire.publisher import Publisher
from edge.wire.session import Session, SessionConfig, Will
from edge.wire.signed import sign_message
from edge.wire.topics import Topics

log = logging.getLogger(__name__)

EX_UNAVAILABLE, EX_SOFTWARE, EX_CONFIG = 69, 70, 78
_TURN = 1.0
"""Seconds of one turn of the main loop, which is what one envelope of a live stream covers."""
_STATE_EVERY = 10
"""Turns between two publications of the retained state."""
_EXPIRE_EVERY = 600
"""Turns between two looks for what is too old for the quarantine."""


class Daemon:
    """Runs one assembled box until it is told to stop."""

    def __init__(self, box: Box) -> None:
        self.box = box
        settings = box.settings
        self._boot, self._sessions = secrets.token_bytes(16), 0
        self.topics = Topics(settings.box.root, settings.box.site, settings.box.device)
        self._lock = threading.Lock()
        self._sources: dict[str, SourceHealth] = {}
        self._awaited: dict[tuple[str, int], list[int]] = {}
        self._told_blind: list[tuple[str, Blindness | None]] = []
        self._stop, self._reload = Flag(), Flag()
        self.capture = CaptureClient(
            settings.box.runtime / "capture.sock",
            self._on_frame,
            self._on_sources,
            on_inbox=self._on_inbox,
        )
        self.scanner = ScannerPath(
            settings.box,
            {source.name: box.still(source) for source in settings.source if source.kind == "folder"},
            box.inbox,
            self.capture,
            box.rules,
            box.scanner_gate(),
            box.handles,
            box.series,
            box.spool,
            box.post,
            box.figures,
        )
        self._sights = {source.name: box.sight(source) for source in settings.source}
        self.lives = {
            source.name: LivePath(
                source.name,
                box.rules,
                box.camera_gate(source),
                box.post,
                box.figures,
                realtime=is_realtime(source),
                sight=self._sights[source.name],
                published=self._published,
            )
            for source in settings.source
            if source.kind != "folder"
        }
        self.released = Released(box.quarantine, self.lives, box.screens)
        self.commands = CommandRoom(
            topics=self.topics,
            ledger=Ledger(settings.box.state / "ledger.db", settings.box.device),
            key=box.signer,
            manifest=box.directory.current,
            executors={"ping": lambda _: {}, "status": self._status},
        )
        self.session = Session(
            SessionConfig.of(settings.broker, settings.box.device),
            Publisher.filters(self.topics),
            Will(self.topics.state, lambda: self._signed_state(online=False)),
        )
        self.publisher = Publisher(
            self.session,
            box.spool,
            self.topics,
            box.directory.ack_keys,
            on_command=lambda topic, payload: self.commands.handle(topic, payload, self._now()),
            outbox=self.commands,
            taken=self._reached_broker,
        )

    # --- from the capture process -----------------------------------------------------------------

    def _on_frame(self, raw: RawFrame) -> None:
        path = self.lives.get(raw.source)
        if path is not None:
            path.put(raw)
        elif raw.release is not None:
            raw.release()

    def _on_inbox(self) -> None:
        self.scanner.wake()

    def _on_sources(self, sources: list[SourceHealth]) -> None:
        with self._lock:
            before, self._sources = self._sources, {source.name: source for source in sources}
        for source in sources:
            was = before.get(source.name)
            if was is None or was.state != source.state:
                log.info("source %s is %s", source.name, source.state)
                if source.state == "finished" and source.name in self.lives:
                    self.lives[source.name].finish()

    # --- to the clinic ----------------------------------------------------------------------------

    def _published(self, stream: str, seq: int, captured_ns: list[int]) -> None:
        with self._lock:
            self._awaited[stream, seq] = captured_ns
            while len(self._awaited) > 1000:  # the broker is away; these were seconds of a stream long ago
                del self._awaited[next(iter(self._awaited))]

    def _reached_broker(self, stream: str, seq: int) -> None:
        """The broker took a message: every frame in it has arrived there now."""
        now = time.monotonic_ns()
        with self._lock:
            captured = self._awaited.pop((stream, seq), [])
        for moment in captured:
            self.box.figures.took("frame_to_broker", (now - moment) / 1e9)
        self.box.figures.count("published", len(captured))

    def _told_sources(self) -> list[SourceHealth]:
        """Every source as its process told it, what the standing proof says, and whether it is blind."""
        with self._lock:
            sources = list(self._sources.values())
        folders = any(source.kind == "folder" for source in self.box.settings.source)
        if folders and STREAM not in {source.name for source in sources}:  # pictures, and no DICOM receiver
            sources.append(
                SourceHealth(name=STREAM, state="waiting", last_frame_age_ms=None, frames=0, dropped=0)
            )
        told = (with_proof(source, self.box.proof(source.name)) for source in sources)
        return [_with_sight(source, self._sights.get(source.name, unhindered)()) for source in told]

    def state(self, *, online: bool) -> DeviceState:
        """The box's retained state; with ``online`` false, its will."""
        box = self.box
        return DeviceState(
            device=box.settings.box.device,
            online=online,
            boot=self._boot,
            session=self._sessions,
            version=__version__,
            bundle=box.bundle.digest,
            engine=box.model.engine,
            spool_rows=box.spool.counts().rows,
            inbox_objects=box.inbox.counts().objects,
            quarantined=sum(box.inbox.quarantined().values()),
            sources=self._told_sources(),
            made_ms=unix_ms(),
        )

    def _signed_state(self, *, online: bool) -> bytes:
        if not online:
            self._sessions += 1  # a will is made anew for each connection, and names it
        return sign_message(self.topics.state, encode(self.state(online=online)), self.box.signer)

    def _status(self, _: Command) -> dict[str, str | int | float | bool | None]:
        state = self.state(online=True)
        return {
            "version": state.version,
            "engine": state.engine,
            "spool_rows": state.spool_rows,
            "inbox_objects": state.inbox_objects,
            "quarantined": state.quarantined,
            "clock": self.box.clock.trust(),
            "manifest": self.box.directory.reason or "in force",
            **{key: value for source in state.sources for key, value in in_words(source).items()},
            **{
                f"source.{source.name}": _in_words(source)
                for source in state.sources
                if source.blind and not what_to_do(source)
            },
        }

    # --- life -------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start every thread; returns when the box is ready."""
        for what in self.box.settings.blind_sources():
            log.warning("%s", what)
        self.commands.tick(self._now())
        for path in self.lives.values():
            path.start()
        self.capture.start()
        self.scanner.start()
        self.publisher.set_state(self._signed_state(online=True))
        self.publisher.start()

    def pulses(self) -> Iterator[Pulse]:
        """Every loop that must turn."""
        yield self.scanner.pulse
        yield _PublisherPulse(self.publisher)
        for path in self.lives.values():
            yield from path.pulses

    def _now(self) -> Now:
        return Now(unix_ms(), self.box.clock.trust() == "trusted")

    def run(self) -> None:
        """Turn once a second until told to stop: publish, feed the watchdog, tell the state."""
        interval = notify.watchdog_interval()
        fed = 0.0
        turn = 0
        while not self._stop.wait(_TURN):
            turn += 1
            for path in self.lives.values():
                path.publish()
            try:
                self._do_chores(turn)
            except OSError as error:
                # A full disk is no reason to stop: what can be done without it goes on.
                log.error("the box's state cannot be written now: %s", type(error).__name__)
            stuck = stalled(self.pulses(), self.box.settings.watchdog.stall)
            if stuck:
                log.error("stuck: %s; the watchdog is not fed", ", ".join(stuck))
                notify.notify(f"STATUS=stuck: {', '.join(stuck)}")
            elif interval is not None and time.monotonic() - fed >= min(interval, _TURN):
                fed = time.monotonic()
                notify.notify(f"WATCHDOG=1\nSTATUS={self.summary()}")
            if self._reload.is_set():
                self._reload.clear()
                self._read_settings_again()

    def _do_chores(self, turn: int) -> None:
        self.commands.tick(self._now())
        self.box.post.report_gaps()
        self.box.leaks.tick(self.box.post)
        self.released.turn()
        if turn % _EXPIRE_EVERY == 0 and self.box.clock.trust() == "trusted":
            self.box.quarantine.expire()
        blind = [(source.name, source.blind) for source in self._told_sources()]
        if turn % _STATE_EVERY == 0 or blind != self._told_blind:
            self._told_blind = blind
            self.publisher.set_state(self._signed_state(online=True))

    def summary(self) -> str:
        """One line for ``systemctl status``."""
        counts, spool = self.box.figures.counts(), self.box.spool.counts()
        held = sum(self.box.figures.suppressed().values())
        sources = self._told_sources()
        dark = [f"{source.name} is {_in_words(source)}" for source in sources if source.blind]
        latched = [line for source in sources if (line := what_to_do(source))]
        trouble = "".join(f"{problem}; " for problem in self.box.problems() + dark + latched)
        return trouble + (
            f"{counts.get('scanner_objects', 0)} objects and {counts.get('frames', 0)} frames answered, "
            f"{held} held back, {spool.rows} waiting for the clinic, "
            f"broker {self.session.trouble or 'connected'}"
        )

    def _read_settings_again(self) -> None:
        notify.reloading()
        # The manifest is read whenever its file changes; limits of the quality gate and the log level
        # can change while running. Everything else needs a restart, and the journal says so.
        try:
            path = self.settings_path
            new = load(path)
        except SettingsError as error:
            log.error("settings were not read again: %s", error)
        else:
            journal.set_up(new.log.level)
            self.box.rules.limits = new.quality
            old = self.box.settings
            changed = [
                name
                for name in type(old).model_fields
                if name not in {"log", "quality"} and getattr(old, name) != getattr(new, name)
            ]
            if changed:
                log.warning("restart the box for the changes in: %s", ", ".join(changed))
        notify.ready(self.summary())

    settings_path = Path()

    def stop(self) -> None:
        """Drain what is under way, for at most the configured time, and end every thread."""
        limit = time.monotonic() + self.box.settings.watchdog.drain
        notify.stopping("draining")
        self.capture.stop()
        for path in self.lives.values():
            path.finish()
        while time.monotonic() < limit and not all(path.idle() for path in self.lives.values()):
            time.sleep(0.05)
        for path in self.lives.values():
            path.stop(max(0.1, limit - time.monotonic()))
            path.publish()
        done = self.scanner.stop(max(1.0, limit - time.monotonic()))
        while time.monotonic() < limit and self.session.connected.is_set() and self.box.spool.counts().rows:
            time.sleep(0.05)
        self.publisher.set_state(self._signed_state(online=False))
        self.publisher.stop(max(0.1, limit - time.monotonic()))
        log.info("stopped: %s", self.summary())
        if done:
            self.box.close()

    def ask_to_stop(self, *_: object) -> None:
        """Signal handler: stop after draining."""
        self._stop.set()

    def ask_to_reload(self, *_: object) -> None:
        """Signal handler: read settings and manifest again."""
        self._reload.set()


def _with_sight(source: SourceHealth, view: View) -> SourceHealth:
    if view.why is None:
        return source
    state = source.state if source.state == "failed" else "blind"
    return source.model_copy(update={"state": state, "blind": view.why})


def _in_words(source: SourceHealth) -> str:
    return source.state if source.blind is None else f"{source.state} ({source.blind.replace('_', ' ')})"


class _PublisherPulse:
    """The publisher's thread, as the watchdog sees it."""

    def __init__(self, publisher: Publisher) -> None:
        self.name, self._publisher = "publisher", publisher

    def stalled(self, now: float, limit: float) -> bool:
        """Whether its loop stood still for ``limit`` seconds."""
        return now - self._publisher.turned > limit


def _checked(path: Path) -> Settings:
    settings = load(path)
    missing = missing_paths(settings, path.read_text(encoding="utf-8"), str(path))
    if missing:
        raise SettingsError("\n".join(missing))
    return settings


def serve(path: Path, make: Callable[[Settings], Box] = Box) -> int:
    """Run the box with the settings at ``path`` until SIGTERM; returns the exit code (see `edge run`)."""
    try:
        settings = _checked(path)
        journal.set_up(settings.log.level)
        daemon = Daemon(make(settings))
    except SettingsError as error:
        print(error, file=sys.stderr)
        return EX_CONFIG
    except (NotReadyError, OSError, ValueError) as error:
        print(f"the box is not ready: {error}", file=sys.stderr)
        return EX_UNAVAILABLE
    daemon.settings_path = path
    signal.signal(signal.SIGTERM, daemon.ask_to_stop)
    signal.signal(signal.SIGINT, daemon.ask_to_stop)
    signal.signal(signal.SIGHUP, daemon.ask_to_reload)
    code = 0

    def broken(args: threading.ExceptHookArgs) -> None:
        nonlocal code
        # The error's own text could quote what it was given: type and place are enough to find it.
        place = traceback.extract_tb(args.exc_traceback)[-1:] if args.exc_traceback else []
        where = "".join(f" at {Path(frame.filename).name}:{frame.lineno}" for frame in place)
        log.critical("a thread of the box ended: %s%s", args.exc_type.__name__, where)
        code = EX_SOFTWARE
        daemon.ask_to_stop()

    threading.excepthook = broken
    daemon.start()
    log.info("READY: %s", daemon.summary())
    notify.ready(daemon.summary())
    try:
        daemon.run()
    finally:
        daemon.stop()
    return code

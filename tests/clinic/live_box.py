"""A box without a pipeline: keys, spool, publisher and command room against a real broker."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from edge.commands.ledger import Ledger
from edge.commands.room import CommandRoom, Result
from edge.commands.rules import Now
from edge.messages import Command, Message
from edge.store.spool import Spool
from edge.wire import codec, envelope
from edge.wire.keys import VerifyKey
from edge.wire.manifest import Manifest
from edge.wire.publisher import Publisher
from edge.wire.session import Session, SessionConfig
from edge.wire.topics import Topics
from tests.clinic.demo_clinic import Box


def wait_for(ready: Callable[[], Any], seconds: float = 20.0, what: str = "") -> None:
    until = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < until, f"did not happen in time: {what}"
        time.sleep(0.02)


class LiveBox:
    """Publishes what is put into its spool; obeys ``ping`` and ``status``."""

    def __init__(self, box: Box, port: int, *, resend_after: float = 1.0) -> None:
        self.box, folder = box, box.folder
        package = box.package
        self.manifest = Manifest.verify(package.manifest, VerifyKey(package.root_key), 0, None, "demo")
        self.topics = Topics(package.root, package.site, package.device)
        self.spool = Spool(folder / "spool", 1 << 28, 1e9, resend_after=resend_after)
        self.ledger = Ledger(folder / "ledger", package.device)
        self.clock_trusted = True
        self.executors: dict[str, Callable[[Command], Result]] = {
            "ping": lambda _: {"pong": True},
            "status": lambda _: {"spool_rows": self.spool.counts().rows},
        }
        self.room = CommandRoom(
            topics=self.topics,
            ledger=self.ledger,
            key=box.key,
            manifest=lambda: self.manifest,
            executors={"ping": self._run, "status": self._run},
        )
        config = SessionConfig(
            "localhost",
            port,
            folder / "broker-ca.pem",
            folder / "tls.pem",
            folder / "tls.key",
            package.device,
        )
        self.publisher = Publisher(
            Session(config, Publisher.filters(self.topics)),
            self.spool,
            self.topics,
            self._ack_keys,
            on_command=lambda topic, payload: self.room.handle(topic, payload, self.now()),
            outbox=self.room,
        )

    def _run(self, command: Command) -> Result:
        return self.executors[command.type](command)

    def _ack_keys(self) -> list[VerifyKey]:
        return self.manifest.ack_keys()

    def now(self) -> Now:
        return Now(time.time_ns() // 1_000_000, self.clock_trusted)

    def put(self, make: Callable[[int, bytes], Message], stream: str = "scanner") -> int | None:
        """Spool one body that ``make`` builds from its number and the epoch."""
        topic = self.topics.result(stream)

        def seal(seq: int) -> bytes:
            body = codec.encode(make(seq, self.spool.epoch))
            return envelope.seal(body, topic, self.box.key, self.manifest.recipients())

        return self.spool.append(stream, topic, seal, priority=2)

    def close(self) -> None:
        self.publisher.stop()
        self.ledger.close()
        self.spool.close()

"""Spool to receiver over a real broker (docs/threat-model.md, T2, T3, T15)."""

from __future__ import annotations

import contextlib
import random
import signal
import socket
import ssl
import threading
import time
from dataclasses import dataclass, field

import pytest
from mosquitto import ACL, Certificates, wait_for
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge.messages import Acknowledgement
from edge.store.spool import Spool
from edge.wire.ack import sign_ack
from edge.wire.envelope import open_, seal
from edge.wire.events import Answered, Arrived
from edge.wire.keys import PrivateKey, SigningKey
from edge.wire.publisher import Publisher
from edge.wire.session import Session, SessionConfig, SessionError, Will
from edge.wire.topics import Topics, parse

TOPICS = Topics("edge", "site", "box-1")
BOX, ACK, MALLORY = (SigningKey.generate() for _ in range(3))
RECEIVER = PrivateKey.generate()

pytestmark = pytest.mark.system


@dataclass
class Receiver:
    """Opens, remembers, acknowledges: what the clinic does, as small as can be."""

    session: Session
    epoch: bytes
    key: SigningKey = ACK
    acknowledges: bool = True
    seen: dict[tuple[str, int], bytes] = field(default_factory=dict)
    copies: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        self.session.start()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            event = self.session.events.get()
            if not isinstance(event, Arrived):
                continue
            opened = open_(event.payload, event.topic, [RECEIVER], [BOX.public])
            stream = parse(event.topic).name
            self.copies += 1
            self.seen[stream, int.from_bytes(opened.payload[:8], "big")] = opened.payload
            self.session.acknowledge(event)
            if self.acknowledges:
                self.acknowledge(stream)

    def upto(self, stream: str) -> int:
        upto = 0
        while (stream, upto + 1) in self.seen:
            upto += 1
        return upto

    def acknowledge(self, stream: str, upto: int | None = None, epoch: bytes | None = None) -> None:
        upto = self.upto(stream) if upto is None else upto
        ack = Acknowledgement(
            site="site", device="box-1", stream=stream, epoch=epoch or self.epoch, upto=upto, made_ms=0
        )
        with contextlib.suppress(SessionError):  # the next acknowledgement says it, too
            self.session.publish(TOPICS.ack(stream), sign_ack(TOPICS.ack(stream), ack, self.key))

    def stop(self) -> None:
        self._stop.set()
        self.session.wake()
        self._thread.join()
        self.session.stop()


@pytest.fixture
def spool(tmp_path):
    s = Spool(tmp_path / "spool.db", 10**8, 1e9, resend_after=1.0)
    yield s
    s.close()


def put(spool: Spool, stream: str = "scanner", size: int = 100, priority: int = 2) -> int:
    topic = TOPICS.result(stream)
    return spool.append(
        stream,
        topic,
        lambda seq: seal(seq.to_bytes(8, "big") + bytes(size), topic, BOX, [RECEIVER.recipient]),
        priority=priority,
    )


@pytest.fixture
def parts(spool):
    """Starts publishers and receivers on a broker, and stops them."""
    running = []

    def make(broker, *, receive: bool = True, publisher=None, **how):
        made = []
        if receive:
            session = Session(broker.config("receiver"), ["edge/1/site/+/result/+"])
            made.append(Receiver(session, spool.epoch, **how))
        session = Session(broker.config("box-1", **(publisher or {})), Publisher.filters(TOPICS))
        made.append(Publisher(session, spool, TOPICS, lambda: [ACK.public], **hooks))
        for one in made:
            one.start()
        running.extend(made)
        return made if len(made) > 1 else made[0]

    hooks: dict = {}
    make.hooks = hooks
    yield make
    for one in reversed(running):
        one.stop()


def test_rows_arrive_and_go_on_the_signed_word_alone(broker, spool, parts):
    for n in range(30):
        put(spool, "scanner" if n % 2 else "cam")
    taken = []
    parts.hooks["taken"] = lambda stream, seq: taken.append((stream, seq))
    receiver, publisher = parts(broker, acknowledges=False)
    wait_for(lambda: len(receiver.seen) == 30)
    wait_for(lambda: len(set(taken)) == 30)
    assert spool.counts().rows == 30  # a PUBACK for each, and not one row gone
    receiver.acknowledge("scanner")
    wait_for(lambda: spool.counts().rows == 15)
    receiver.acknowledge("cam")
    wait_for(lambda: spool.counts().rows == 0)
    assert publisher.counts["acknowledged"] == 30


def test_forged_and_foreign_acknowledgements_are_ignored(broker, spool, parts):
    for _ in range(5):
        put(spool)
    receiver, publisher = parts(broker, acknowledges=False)
    wait_for(lambda: len(receiver.seen) == 5)
    receiver.key = MALLORY
    receiver.acknowledge("scanner")
    receiver.key = ACK
    receiver.acknowledge("scanner", epoch=bytes(16))
    receiver.acknowledge("scanner", upto=99)
    receiver.session.publish(TOPICS.ack("scanner"), b"rubbish")
    receiver.session.publish(TOPICS.ack("cam"), sign_ack(TOPICS.ack("scanner"), _ack(spool, 5), ACK))
    wait_for(lambda: publisher.counts["ack_malformed"] == 1 and publisher.counts["ack_forged"] == 1)
    assert publisher.counts["ack_unknown_sender"] == 1
    assert spool.counts().rows == 5
    receiver.acknowledge("scanner")  # the control: the true word works
    wait_for(lambda: spool.counts().rows == 0)


def _ack(spool: Spool, upto: int) -> Acknowledgement:
    return Acknowledgement(
        site="site", device="box-1", stream="scanner", epoch=spool.epoch, upto=upto, made_ms=0
    )


def test_a_broker_killed_again_and_again_costs_nothing(broker, spool, parts):
    """SIGKILL in mid-flow: everything arrives, once after de-duplication; rows go on signed words only."""
    receiver, _ = parts(broker)
    rng = random.Random(3)
    stop = threading.Event()

    def feed() -> None:
        for n in range(200):
            put(spool, "scanner" if n % 3 else "cam")
            time.sleep(0.01)
        stop.set()

    feeder = threading.Thread(target=feed)
    feeder.start()
    kills = 0
    while not stop.is_set() or kills < 3:
        time.sleep(rng.uniform(0.2, 0.6))
        broker.kill(signal.SIGKILL)
        broker.start()
        kills += 1
    feeder.join()
    wait_for(lambda: spool.counts().rows == 0, 40)
    want = {("scanner", n) for n in range(1, 134)} | {("cam", n) for n in range(1, 68)}
    assert receiver.seen.keys() == want
    assert all(int.from_bytes(p[:8], "big") == seq for (_, seq), p in receiver.seen.items())
    assert spool.counts().dead == spool.counts().gaps == 0


def test_rows_wait_for_a_receiver_who_is_away(broker, spool, parts):
    """PUBACK 16, no matching subscribers: the broker threw the message away, and we send it again."""
    put(spool)
    publisher = parts(broker, receive=False)
    wait_for(lambda: publisher.counts["sent"] >= 2)
    assert spool.counts().rows == 1
    receiver = Receiver(Session(broker.config("receiver"), ["edge/1/site/+/result/+"]), spool.epoch)
    receiver.start()
    wait_for(lambda: spool.counts().rows == 0)
    receiver.stop()


def test_the_brokers_receive_maximum_is_kept(make_broker, spool, parts):
    broker = make_broker("max_inflight_messages 3")
    for _ in range(50):
        put(spool)
    receiver, publisher = parts(broker)
    most = 0
    while spool.counts().rows:
        most = max(most, publisher.session.under_way())
        time.sleep(0.001)
    assert publisher.session._inflight_limit == 3
    assert 1 <= most <= 3
    assert len(receiver.seen) == 50


def test_a_message_too_large_for_the_broker_is_set_aside_and_poisons_nothing(make_broker, spool, parts):
    broker = make_broker("max_packet_size 20000")
    put(spool, size=100)
    put(spool, size=50_000)
    put(spool, size=100)
    receiver, publisher = parts(broker, acknowledges=False)
    wait_for(lambda: len(receiver.seen) == 2)
    assert publisher.session.maximum_packet == 20_000
    wait_for(lambda: spool.counts().dead == 1)
    assert [(g.first, g.last, g.why) for g in spool.pending_gaps()] == [(2, 2, "too_large")]
    assert broker.log.read_text().count("New client connected from 127.0.0.1") == 2  # no reconnect


def test_the_size_check_is_exact(make_broker, spool, parts):
    """A packet of exactly the maximum is taken by the broker, one byte more is not handed over."""
    broker = make_broker("max_packet_size 20000")
    session = Session(broker.config("box-1"))
    session.start()
    wait_for(session.connected.is_set)
    topic = TOPICS.result("scanner")
    properties = Properties(PacketTypes.PUBLISH)
    properties.ContentType = "application/cose"
    overhead = 1 + 3 + 2 + len(topic) + 2 + len(properties.pack())
    mid = session.publish(topic, bytes(20_000 - overhead))
    wait_for(lambda: not session.under_way())
    with pytest.raises(SessionError, match="too_large"):
        session.publish(topic, bytes(20_001 - overhead))
    assert session.connected.is_set()
    answers = []
    while not session.events.empty():
        answers.append(session.events.get())
    assert [a.mid for a in answers if isinstance(a, Answered)] == [mid]
    session.stop()


def test_a_missing_right_is_waited_out_not_dead_lettered(make_broker, spool, parts):
    """PUBACK 0x87: the ACL is not in place yet. No row is lost to a mistake that a person mends."""
    broker = make_broker(acl=ACL.replace("box-1/result", "box-9/result"))
    put(spool)
    _, publisher = parts(broker)
    wait_for(lambda: publisher.counts["sent"] >= 2)
    assert spool.counts().dead == 0
    (broker.folder / "acl").write_text(ACL)
    broker.process.send_signal(signal.SIGHUP)
    wait_for(lambda: spool.counts().rows == 0)
    assert publisher.counts["sent"] < 8


class _FakeSession:
    """Answers one publish with a code that Mosquitto cannot be brought to give."""

    def __init__(self) -> None:
        import queue

        self.events, self.connected, self.published = queue.SimpleQueue(), threading.Event(), 0
        self.connected.set()

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def check(self) -> None: ...
    def wake(self) -> None: ...
    def room(self) -> int:
        return 10

    def under_way(self) -> int:
        return 0

    def publish(self, *_: object, **__: object) -> int:
        self.published += 1
        self.events.put(Answered(self.published, 0x99))
        return self.published


def test_a_message_that_the_broker_will_never_take_is_a_dead_letter(spool):
    put(spool)
    session = _FakeSession()
    publisher = Publisher(session, spool, TOPICS, list)
    publisher.start()
    wait_for(lambda: spool.counts().dead == 1)
    publisher.stop()
    assert session.published == 1
    assert [g.why for g in spool.pending_gaps()] == ["refused"]


@dataclass
class _Item:
    n: int
    topic: str
    payload: bytes
    retain: bool = True
    expiry_s: int = 60


class _Outbox:
    def __init__(self, *items: _Item) -> None:
        self.items = list(items)

    def untold(self, limit: int = 100) -> list[_Item]:
        return self.items[:limit]

    def told(self, n: int) -> None:
        self.items = [i for i in self.items if i.n != n]


def _watch(broker, *filters: str) -> tuple[Session, list[Arrived]]:
    session, got = Session(broker.config("receiver"), filters), []

    def read() -> None:
        while True:
            event = session.events.get()
            if isinstance(event, Arrived):
                got.append(event)

    session.start()
    threading.Thread(target=read, daemon=True).start()
    wait_for(session.connected.is_set)
    return session, got


def test_state_statuses_and_commands(broker, spool, parts):
    uuid = "00000000-0000-0000-0000-000000000001"
    outbox = _Outbox(_Item(1, TOPICS.status(uuid), b"accepted"), _Item(2, TOPICS.status(uuid), b"succeeded"))
    commands = []

    def take(topic: str, payload: bytes) -> None:
        commands.append((topic, payload))
        raise RuntimeError  # a fault in the commands' room stops neither statuses nor states

    parts.hooks |= {"outbox": outbox, "on_command": take}
    watcher, got = _watch(broker, TOPICS.state, TOPICS.status(uuid))
    publisher = parts(broker, receive=False)
    publisher.set_state(b"up")
    watcher.publish(TOPICS.cmd(uuid), b"order", retain=True)
    wait_for(lambda: commands == [(TOPICS.cmd(uuid), b"order")])
    wait_for(lambda: not outbox.items)
    wait_for(lambda: {m.payload for m in got} == {b"accepted", b"succeeded", b"up"})
    broker.kill()
    broker.start()
    got.clear()
    wait_for(lambda: b"up" in {m.payload for m in got})  # said again after the reconnect
    publisher.set_state(b"leaving")
    publisher.stop()
    wait_for(lambda: b"leaving" in {m.payload for m in got})
    watcher.stop()


def test_the_session_outlives_its_process_and_a_restart_of_the_broker(broker):
    first = Session(broker.config("receiver"), [TOPICS.result("scanner")])
    first.start()
    wait_for(first.connected.is_set)
    time.sleep(0.2)  # for the SUBACK
    first.stop()
    box = Session(broker.config("box-1"))
    box.start()
    wait_for(box.connected.is_set)
    box.publish(TOPICS.result("scanner"), b"while you were away")
    wait_for(lambda: not box.under_way())
    box.stop()
    broker.kill(signal.SIGTERM)
    broker.start()
    again = Session(broker.config("receiver"))
    again.start()
    got = []
    while not got:
        event = again.events.get(timeout=10)
        got += [event.payload] if isinstance(event, Arrived) else []
    assert got == [b"while you were away"]
    again.stop()


def test_a_box_that_dies_without_a_word_leaves_its_will(broker):
    watcher, got = _watch(broker, TOPICS.state)
    session = Session(broker.config("box-1"), will=Will(TOPICS.state, lambda: b"gone", delay_s=0))
    session.start()
    wait_for(session.connected.is_set)
    session._client.socket().shutdown(2)  # the line is cut
    wait_for(lambda: [m.payload for m in got] == [b"gone"])
    session.stop()
    watcher.stop()


def test_a_dead_network_thread_is_replaced(broker, spool, parts):
    receiver, publisher = parts(broker)
    put(spool)
    wait_for(lambda: spool.counts().rows == 0)
    publisher.session._client.on_message = None
    publisher.session._client._thread_terminate = True  # what an exception inside paho comes to
    publisher.session._client._thread.join()
    put(spool)
    wait_for(lambda: len(receiver.seen) == 2 and spool.counts().rows == 0, 20)


def test_no_certificate_no_connection(broker, tmp_path):
    """The control of every test above: a stranger's certificate does not get in."""
    certificate, key = Certificates(tmp_path / "other").issue("box-1")
    good = broker.config("box-1")
    bad = SessionConfig(**{**good.__dict__, "certificate": certificate, "key": key})
    session = Session(bad)
    session.start()
    wait_for(lambda: "certificate" in session.trouble)
    time.sleep(0.5)
    assert not session.connected.is_set()
    session.stop()


def test_a_broker_with_a_foreign_certificate_is_refused(broker, tmp_path):
    session = Session(broker.config("box-1", ca=Certificates(tmp_path / "other").ca))
    session.start()
    wait_for(lambda: "cannot reach" in session.trouble)
    assert not session.connected.is_set()
    session.stop()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_we_speak_tls_1_3_alone(tmp_path, version):
    """A server of one version only; with 1.3, the control, the handshake succeeds."""
    authority = Certificates(tmp_path / "pki")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = context.maximum_version = version
    context.load_cert_chain(*authority.issue("localhost"))
    certificate, key = authority.issue("box-1")
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)
        session = Session(
            SessionConfig("localhost", server.getsockname()[1], authority.ca, certificate, key, "box-1")
        )
        session.start()
        raw, _ = server.accept()
        try:
            with context.wrap_socket(raw, server_side=True) as line:
                agreed = line.version()
        except ssl.SSLError:
            agreed = None
        session.stop()
    assert agreed == ("TLSv1.3" if version is ssl.TLSVersion.TLSv1_3 else None)

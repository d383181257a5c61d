"""The rendered configuration, run by a real Mosquitto: who gets in, and who may do what."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from edge.clinic import keyring, pki
from edge.clinic.places import read_config
from edge.wire.events import Answered, Connected
from edge.wire.session import Session, SessionConfig
from tests.clinic.demo_clinic import NOW, Box, Broker, make_clinic

T = "edge/1/demo"
UUID = "00000000-0000-0000-0000-000000000001"


def context(folder: Path, *, newest: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.load_verify_locations(folder / "broker-ca.pem")
    if (folder / "tls.pem").exists():
        tls.load_cert_chain(folder / "tls.pem", folder / "tls.key", b"")
    if newest:
        tls.maximum_version = newest
    return tls


def shake(port: int, tls: ssl.SSLContext) -> str:
    """Connect, and read until the broker shows whether it takes us; returns the TLS version."""
    raw = socket.create_connection(("localhost", port), timeout=5)
    with raw, tls.wrap_socket(raw, server_hostname="localhost") as secure:
        # A CONNECT of MQTT 5 with an empty client id. A broker that does not want us ends TLS.
        secure.sendall(bytes.fromhex("100d00044d5154540502003c000000"))
        if not secure.recv(4):
            raise ConnectionError("closed")
        return str(secure.version())


class Client:
    """A client of the broker that notes what is delivered to it."""

    def __init__(self, folder: Path, port: int, name: str) -> None:
        self.delivered: set[str] = set()
        self.codes: dict[int, int] = {}
        self.changed = threading.Condition()
        self.up = threading.Event()
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=name, protocol=mqtt.MQTTv5)
        self.client.tls_set_context(context(folder))
        self.client.on_message = self._message
        self.client.on_publish = self._published
        self.client.on_connect = lambda *_: self.up.set()
        self.subscribed = threading.Event()
        self.client.on_subscribe = lambda *_: self.subscribed.set()
        self.client.connect("localhost", port)
        self.client.loop_start()
        assert self.up.wait(10)

    def _message(self, _c: Any, _u: Any, message: mqtt.MQTTMessage) -> None:
        with self.changed:
            self.delivered.add(message.topic)
            self.changed.notify_all()

    def _published(self, _c: Any, _u: Any, mid: int, reason: Any, _p: Any) -> None:
        with self.changed:
            self.codes[mid] = int(reason.value)
            self.changed.notify_all()

    def may_write(self, topic: str, *, retain: bool = False) -> bool:
        mid = self.client.publish(topic, b"x", qos=1, retain=retain).mid
        with self.changed:
            assert self.changed.wait_for(lambda: mid in self.codes, 10)
        return self.codes[mid] < 0x80

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture
def people(clinic: Path, tmp_path: Path) -> Iterator[dict[str, Client]]:
    boxes = [Box(clinic, tmp_path / name, name) for name in ("box-1", "box-2")]
    port = read_config(clinic / "root").port
    broker = Broker(clinic / "broker", port)
    broker.start()
    clients = {box.device: Client(box.folder, port, box.device) for box in boxes}
    clients["receiver"] = Client(clinic / "receiver", port, pki.role_name("receiver"))
    clients["operator"] = Client(clinic / "operator", port, pki.role_name("operator", "anna"))
    yield clients
    for client in clients.values():
        client.close()
    broker.kill()


OWN = [
    "state",
    "caps",
    "reported",
    "result/scanner",
    "event/label_change",
    f"status/{UUID}",
    "tele/load",
    f"diag/{UUID}/0",
]
SAID = ["desired", f"cmd/{UUID}", "ack/scanner"]
WRITERS = {
    **{f"{T}/box-1/{kind}": {"box-1"} for kind in OWN},
    **{f"{T}/box-2/{kind}": {"box-2"} for kind in OWN},
    f"{T}/box-1/desired": {"operator"},
    f"{T}/box-1/cmd/{UUID}": {"operator"},
    f"{T}/box-1/ack/scanner": {"receiver"},
    f"{T}/box-3/state": set(),
    f"{T}/clinic:receiver/result/x": set(),
    "edge/1/elsewhere/box-1/state": set(),
    "$SYS/broker/x": set(),
    "anything": set(),
}
READERS = {
    "result/scanner": {"receiver"},
    "event/label_change": {"receiver"},
    "state": {"receiver", "operator"},
    "tele/load": {"receiver", "operator"},
    "caps": {"operator"},
    "reported": {"operator"},
    f"status/{UUID}": {"operator"},
    f"diag/{UUID}/0": {"operator"},
    "desired": {"box-1"},
    f"cmd/{UUID}": {"box-1"},
    "ack/scanner": {"box-1"},
}


def test_each_client_writes_its_own_topics_and_nothing_else(people: dict[str, Client]) -> None:
    """Cites T4 of the threat model. Mosquitto answers a forbidden publish with 0x87."""
    for topic, writers in WRITERS.items():
        assert {name for name, client in people.items() if client.may_write(topic)} == writers, topic


def test_each_client_reads_what_is_meant_for_it_and_nothing_else(people: dict[str, Client]) -> None:
    """Judged by delivery: a forbidden SUBSCRIBE is answered "Granted". The marker comes last to each."""
    markers = {name: f"{T}/box-1/desired" if name == "box-1" else None for name in people}
    markers |= {"box-2": f"{T}/box-2/desired", "receiver": f"{T}/box-2/state", "operator": f"{T}/box-2/state"}
    for client in people.values():
        client.client.subscribe("#", qos=1)
        assert client.subscribed.wait(10)  # or the first message could come before the subscription
    for kind in READERS:
        writer = "box-1" if kind in OWN else "receiver" if kind.startswith("ack") else "operator"
        assert people[writer].may_write(f"{T}/box-1/{kind}")
    assert people["operator"].may_write(f"{T}/box-1/desired")
    assert people["operator"].may_write(f"{T}/box-2/desired")
    assert people["box-2"].may_write(f"{T}/box-2/state")
    for name, client in people.items():
        with client.changed:
            assert client.changed.wait_for(
                lambda client=client, name=name: markers[name] in client.delivered, 10
            )
    for kind, readers in READERS.items():
        got = {name for name, client in people.items() if f"{T}/box-1/{kind}" in client.delivered}
        assert got == readers, kind


def test_only_tls_1_3_with_our_certificate_gets_in(clinic: Path, broker: Broker, tmp_path: Path) -> None:
    """Cites T1 of the threat model."""
    box = Box(clinic, tmp_path / "box")
    broker.reload()
    assert shake(broker.port, context(box.folder)) == "TLSv1.3"
    with pytest.raises((ssl.SSLError, ConnectionError)):
        shake(broker.port, context(box.folder, newest=ssl.TLSVersion.TLSv1_2))
    nobody = tmp_path / "nobody"
    nobody.mkdir()
    shutil.copy(box.folder / "broker-ca.pem", nobody)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        shake(broker.port, context(nobody))
    rogue = Box(make_clinic(tmp_path / "other"), tmp_path / "rogue")
    shutil.copy(box.folder / "broker-ca.pem", rogue.folder)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        shake(broker.port, context(rogue.folder))


def test_a_revoked_certificate_gets_in_no_more(clinic: Path, broker: Broker, tmp_path: Path) -> None:
    from cryptography import x509

    box, other = Box(clinic, tmp_path / "box", "box-1"), Box(clinic, tmp_path / "box2", "box-2")
    broker.reload()
    assert shake(broker.port, context(box.folder))
    serial = x509.load_pem_x509_certificate(box.package.certificate).serial_number
    authority = keyring.open_root(clinic, None).authority
    (clinic / "broker" / "revoked.pem").write_bytes(pki.make_revocation_list(authority, [serial], NOW))
    broker.reload()
    with pytest.raises((ssl.SSLError, ConnectionError)):
        shake(broker.port, context(box.folder))
    assert shake(broker.port, context(other.folder)) == "TLSv1.3"


def test_the_broker_tells_its_limits_and_boxes_keep_them(
    clinic: Path, broker: Broker, tmp_path: Path
) -> None:
    from edge.clinic.broker import MAX_PACKET
    from edge.wire.session import SessionError

    box = Box(clinic, tmp_path / "box")
    broker.reload()
    folder = box.folder
    config = SessionConfig(
        "localhost", broker.port, folder / "broker-ca.pem", folder / "tls.pem", folder / "tls.key", "box-1"
    )
    session = Session(config)
    session.start()
    try:
        assert isinstance(session.events.get(timeout=10), Connected)
        assert session.maximum_packet == MAX_PACKET
        with pytest.raises(SessionError, match="too_large"):
            session.publish(f"{T}/box-1/result/scanner", b"x" * MAX_PACKET)
        session.publish(f"{T}/box-1/result/scanner", b"x" * (MAX_PACKET - 200))
        answer = session.events.get(timeout=20)
        assert isinstance(answer, Answered)
        assert answer.code < 0x80
    finally:
        session.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
def test_the_broker_runs_as_its_own_user_from_a_moved_folder(clinic: Path) -> None:
    try:
        user = pwd.getpwnam("mosquitto").pw_name
    except KeyError:
        pytest.skip("needs the user mosquitto (apt install mosquitto)")
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        folder = Path(place) / "broker"
        shutil.move(clinic / "broker", folder)
        keyring.configure_broker(folder, user=user, bind="127.0.0.1", data=None)
        broker = Broker(folder, read_config(clinic / "root").port)
        broker.start()
        assert broker.process
        status = Path(f"/proc/{broker.process.pid}/status").read_text()
        assert f"Uid:\t{pwd.getpwnam(user).pw_uid}\t" in status
        shake(broker.port, context(clinic / "receiver"))
        broker.kill()
        # Started by that user, without root at any time.
        command = ["mosquitto", "-c", str(folder / "mosquitto.conf")]
        broker.process = subprocess.Popen(command, user=user, stderr=subprocess.DEVNULL)
        broker.wait_for_port()
        shake(broker.port, context(clinic / "receiver"))
        broker.kill()


def test_what_is_retained_survives_an_orderly_restart(clinic: Path, broker: Broker, tmp_path: Path) -> None:
    box = Box(clinic, tmp_path / "box")
    broker.reload()
    operator = Client(clinic / "operator", broker.port, "op")
    topic = f"{T}/box-1/cmd/{UUID}"
    assert operator.may_write(topic, retain=True)
    operator.close()
    broker.kill()
    broker.start()
    client = Client(box.folder, broker.port, "box-1")
    client.client.subscribe(f"{T}/box-1/cmd/+", qos=1)
    with client.changed:
        assert client.changed.wait_for(lambda: topic in client.delivered, 10)
    client.close()


def test_a_name_with_a_line_break_cannot_add_a_line_to_the_configuration(
    clinic: Path, tmp_path: Path
) -> None:
    from edge.clinic.broker import render_config
    from edge.clinic.places import ClinicError

    with pytest.raises(ClinicError, match="line break"):
        render_config(tmp_path, read_config(clinic / "root"), user="x\nallow_anonymous true")

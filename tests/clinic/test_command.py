"""``edge clinic command`` against a real broker and a box that obeys."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.cli import main
from edge.clinic.command import Life, send
from edge.clinic.places import ClinicError, read_config
from edge.messages import CommandStatus
from edge.wire.codec import encode
from edge.wire.keys import SigningKey
from edge.wire.signed import sign_message
from tests.clinic.demo_clinic import Box, Broker, make_clinic
from tests.clinic.live_box import LiveBox, wait_for


@pytest.fixture
def live(clinic: Path, tmp_path: Path, broker: Broker) -> Iterator[LiveBox]:
    box = LiveBox(Box(clinic, tmp_path / "box"), broker.port)
    broker.reload()
    box.publisher.start()
    yield box
    box.close()


def retained(clinic: Path, port: int, topic: str) -> list[str]:
    """Topics of the retained messages that the operator's certificate is given, seen by mosquitto_sub."""
    folder = clinic / "operator"
    options = ["-h", "localhost", "-p", str(port), "--cafile", str(folder / "broker-ca.pem")]
    options += [
        "--cert",
        str(folder / "tls.pem"),
        "--key",
        str(folder / "tls.key"),
        "--tls-version",
        "tlsv1.3",
    ]
    command = [
        "mosquitto_sub",
        "-V",
        "mqttv5",
        *options,
        "-t",
        topic,
        "--retained-only",
        "-W",
        "1",
        "-F",
        "%t",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    return done.stdout.split()


def test_a_command_shows_its_life_and_exits_by_its_result(
    clinic: Path, live: LiveBox, broker: Broker, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["clinic", "command", str(clinic), "box-1", "ping", "--wait", "10"]) == 0
    shown = capsys.readouterr().out
    assert [line.split()[1] for line in shown.splitlines() if line[0].isdigit()] == [
        "received",
        "accepted",
        "executing",
        "succeeded",
    ]
    assert "pong: True" in shown
    assert main(["clinic", "command", str(clinic), "box-1", "status", "--wait"]) == 0
    assert "spool_rows: 0" in capsys.readouterr().out
    assert len(retained(clinic, broker.port, "edge/1/demo/box-1/status/+")) == 2, (
        "control: statuses are retained"
    )


def test_the_command_is_cleared_at_its_end_and_stays_until_then(
    clinic: Path, live: LiveBox, broker: Broker
) -> None:
    seen: list[str] = []
    live.room.handle = lambda topic, payload, now: seen.append(topic) if payload else None  # type: ignore[method-assign]
    assert send(clinic, "box-1", "ping", wait=0.5) is None
    wait_for(lambda: seen)
    live.publisher.stop()
    again = LiveBox(Box.again(live.box), broker.port)
    done: list[str] = []
    again.executors["ping"] = lambda command: done.append(command.id) or {}  # type: ignore[func-returns-value]
    again.publisher.start()
    wait_for(lambda: done, what="the retained command reaches the box that comes back")
    again.close()


def test_after_success_nobody_gets_the_command_again(clinic: Path, live: LiveBox, broker: Broker) -> None:
    last = send(clinic, "box-1", "ping", wait=10)
    assert last
    assert last.state == "succeeded"
    live.publisher.stop()
    again = LiveBox(Box.again(live.box, forget=True), broker.port)
    seen: list[str] = []
    again.room.handle = lambda topic, payload, now: seen.append(topic)  # type: ignore[method-assign]
    again.publisher.start()
    wait_for(again.publisher.session.connected.is_set)
    time.sleep(0.5)
    assert seen == []
    again.close()


@pytest.mark.parametrize(
    ("how", "code", "word"),
    [("breaks", 1, "failed"), ("guest", 3, "rejected"), ("no clock", 6, "received")],
)
def test_the_exit_code_tells_how_it_ended(
    clinic: Path, live: LiveBox, capsys: pytest.CaptureFixture[str], how: str, code: int, word: str
) -> None:
    if how == "breaks":
        live.executors["ping"] = lambda _: {}["gone"]
    elif how == "guest":
        operator = live.manifest.operators[0].model_copy(update={"commands": ["status"]})
        live.manifest = live.manifest.model_copy(update={"operators": [operator]})
    else:
        live.clock_trusted = False
    assert main(["clinic", "command", str(clinic), "box-1", "ping", "--wait", "2"]) == code
    assert capsys.readouterr().out.splitlines()[-1].split()[1] == word


def test_what_cannot_be_sent_is_said(
    clinic: Path, broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ClinicError, match="no box 'box-9' in the manifest; enrolled: none"):
        send(clinic, "box-9", "ping", wait=1)
    Box(clinic, tmp_path / "box")
    holder = threading.Thread(target=send, args=(clinic, "box-1", "ping"), kwargs={"wait": 1.5})
    holder.start()
    time.sleep(0.5)
    with pytest.raises(ClinicError, match="another command of this operator"):
        send(clinic, "box-1", "ping", wait=1)
    holder.join()
    broker.kill()
    monkeypatch.setattr("edge.clinic.command._PATIENCE_S", 1.5)
    with pytest.raises(ClinicError, match="cannot reach localhost"):
        send(clinic, "box-1", "ping", wait=1)


def test_with_a_passphrase_the_operator_needs_it(tmp_path: Path) -> None:
    clinic = make_clinic(tmp_path / "c", passphrase=b"horse")
    broker = Broker(clinic / "broker", read_config(clinic / "root").port)
    broker.start()
    try:
        made = Box(clinic, tmp_path / "box", passphrase=b"horse")
        broker.reload()
        box = LiveBox(made, broker.port)
        box.publisher.start()
        word = tmp_path / "word"
        word.write_bytes(b"horse\n")
        command = ["clinic", "command", str(clinic), "box-1", "ping", "--wait", "10"]
        assert main([*command, "--passphrase-file", str(word)]) == 0
        with pytest.raises(SystemExit):
            main(command)
        box.close()
    finally:
        broker.kill()


def test_statuses_of_others_doubled_or_out_of_order_do_not_confuse_a_life() -> None:
    box, eve = SigningKey.generate(), SigningKey.generate()
    life = Life("id", "box-1", [box.public], "t")

    def take(state: str, key: SigningKey = box, **other: str) -> bool:
        status = CommandStatus(**{"id": "id", "device": "box-1", "state": state, "made_ms": 0, **other})  # type: ignore[arg-type]
        return life.take("t", sign_message("t", encode(status), key)) is not None

    assert take("received")
    assert not take("received")
    assert not take("succeeded", eve)
    assert not take("succeeded", id="other")
    assert not take("succeeded", device="box-2")
    assert life.take("t", b"") is None
    assert life.take("t", b"junk") is None
    assert take("executing"), "a status between was lost"
    assert not take("accepted"), "it came late"
    assert not life.over
    assert take("succeeded")
    assert not take("failed"), "one end"
    assert life.over
    assert life.ignored == 4

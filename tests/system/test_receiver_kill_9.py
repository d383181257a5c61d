"""Box, broker and receiver for real; the receiver is killed while results arrive.

Cites T1 to T4, T7 and T15 of the threat model.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.cli import main
from edge.clinic.places import read_config
from edge.clinic.receive import VAULT, vault_key
from edge.clinic.vault import Vault, VaultError
from edge.imaging.frames import Identity
from edge.messages import ObjectResult
from edge.wire.identity import IdentityContext, seal_identity
from edge.wire.keys import SigningKey
from tests.clinic.demo_clinic import Box, Broker
from tests.clinic.live_box import LiveBox, wait_for
from tests.clinic.results import finding, head, result

pytestmark = pytest.mark.system

RESULTS = 50
PATIENT = "PLANTED^PATIENT-4711"
LABEL = "planted_label_glioma"


class ReceiverProcess:
    """``edge clinic receive`` as a process of its own."""

    def __init__(self, clinic: Path, *options: str) -> None:
        command = [sys.executable, "-m", "edge.cli", "clinic", "receive", str(clinic), *options]
        self.log = (clinic.parent / "receiver.log").open("ab")
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.log.close()

    def stop(self) -> int:
        self.process.terminate()
        code = self.process.wait(20)
        self.log.close()
        return code


@pytest.fixture
def receivers(clinic: Path) -> Iterator[list[ReceiverProcess]]:
    """Receivers that a test started; none outlives it."""
    started: list[ReceiverProcess] = []
    yield started
    for receiver in started:
        receiver.kill()


@pytest.fixture
def live(clinic: Path, tmp_path: Path, broker: Broker) -> Iterator[LiveBox]:
    box = LiveBox(Box(clinic, tmp_path / "box"), broker.port)
    broker.reload()
    yield box
    box.close()


def put(box: LiveBox, number: int) -> None:
    custodian = box.manifest.custodian()
    assert custodian
    study, instance = bytes([number % 5]) * 16, number.to_bytes(16, "big")
    who = Identity(PATIENT, "", "ACC", "1.2", "1.2.3", f"1.2.3.{number}")
    block = seal_identity(who, custodian, IdentityContext("demo", "box-1", study, instance))

    def make(seq: int, epoch: bytes) -> ObjectResult:
        said = finding(None, probabilities={LABEL: 0.9})
        return result(
            seq,
            said,
            head=head(seq, epoch=epoch),
            study=study,
            object=instance,
            identity=block,
            identity_kid=custodian.kid,
        )

    assert box.put(make) is not None


def stored(clinic: Path) -> int:
    folder = clinic / "receiver"
    try:
        with Vault(folder / VAULT, vault_key(folder), readonly=True) as vault:
            return vault.count()
    except VaultError:  # not made yet
        return 0


def test_fifty_results_once_each_through_two_kills(
    clinic: Path,
    live: LiveBox,
    tmp_path: Path,
    receivers: list[ReceiverProcess],
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = tmp_path / "lines.jsonl"
    live.publisher.start()
    receivers.append(ReceiverProcess(clinic, "--quiet", "--json-file", str(lines)))
    rng = random.Random(4711)
    put(live, 0)
    wait_for(lambda: stored(clinic) >= 1, what="the first result")
    for number in range(1, RESULTS):
        put(live, number)
        time.sleep(rng.uniform(0, 0.02))
        if number in (RESULTS // 3, 2 * RESULTS // 3):
            receivers[-1].kill()
            receivers.append(ReceiverProcess(clinic, "--quiet", "--json-file", str(lines)))
    wait_for(lambda: live.spool.counts().rows == 0, 60, "every row acknowledged")
    assert stored(clinic) == RESULTS
    assert receivers[-1].stop() == 0

    # Each exactly once in the vault, by the object's own handle.
    capsys.readouterr()
    assert main(["clinic", "results", str(clinic)]) == 0
    bodies = [json.loads(row) for row in capsys.readouterr().out.splitlines()]
    assert sorted(int(body["object"], 16) for body in bodies) == list(range(RESULTS))
    # In the order of the stream as JSON lines; what a crash repeated is the same line again.
    told = [json.loads(row)["head"]["seq"] for row in lines.read_text().splitlines()]
    first_of_each = list(dict.fromkeys(told))
    assert first_of_each == list(range(1, RESULTS + 1))
    assert PATIENT not in lines.read_text()
    # The custodian, and only the custodian, gets back to the patient; and it is audited.
    assert main(["clinic", "reidentify", str(clinic), (7).to_bytes(16, "big").hex()]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["patient_id"], answer["sop_uid"], answer["signed"]) == (PATIENT, "1.2.3.7", True)
    audit = (clinic / "custodian" / "reidentified.jsonl").read_text()
    assert json.loads(audit)["object"] == (7).to_bytes(16, "big").hex()
    assert PATIENT not in audit
    # At rest: neither patient nor label; the control is that both were just read from there.
    disk = b"".join(path.read_bytes() for path in (clinic / "receiver").iterdir() if path.is_file())
    assert LABEL in json.dumps(bodies)
    assert (PATIENT.encode() not in disk, LABEL.encode() not in disk) == (True, True)


def test_a_forged_sender_is_refused_counted_and_never_acknowledged(
    clinic: Path, live: LiveBox, capfd: pytest.CaptureFixture[str]
) -> None:
    put(live, 1)
    live.box.key = SigningKey.generate()  # what a thief of the TLS certificate has
    put(live, 2)
    live.publisher.start()
    assert main(["clinic", "receive", str(clinic), "--json", "--exit-after-idle", "1.5"]) == 0
    assert stored(clinic) == 1
    with Vault(clinic / "receiver" / VAULT, vault_key(clinic / "receiver"), readonly=True) as vault:
        assert vault.refused()["unknown_sender"] >= 1
    rows = capfd.readouterr().out.splitlines()
    assert [json.loads(row)["head"]["seq"] for row in rows] == [1]
    wait_for(
        lambda: live.spool.counts().rows == 1, what="the good row is acknowledged, the forged one is not"
    )


def test_mosquitto_sub_with_the_receivers_certificate_sees_only_ciphertext(
    clinic: Path, live: LiveBox, broker: Broker, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, port = clinic / "receiver", read_config(clinic / "receiver").port
    command = [
        "mosquitto_sub",
        "-V",
        "mqttv5",
        "-h",
        "localhost",
        "-p",
        str(port),
        "--tls-version",
        "tlsv1.3",
    ]
    command += ["--cafile", str(folder / "broker-ca.pem"), "--cert", str(folder / "tls.pem")]
    command += ["--key", str(folder / "tls.key"), "-t", "edge/1/demo/+/result/+", "-N", "-C", "3", "-W", "15"]
    observer = subprocess.Popen(command, stdout=subprocess.PIPE)
    wait_for(lambda: b"clinic:receiver" in (broker.folder / "log").read_bytes(), what="the observer connects")
    time.sleep(0.3)
    live.publisher.start()
    for number in range(3):
        put(live, number)
    seen = observer.communicate(timeout=20)[0]
    assert len(seen) > 3 * 1024
    for planted in (LABEL, PATIENT, "glioma", "MR", "BRAIN", "onnxruntime"):
        # "MR" and the like can occur by chance in ciphertext; the long ones cannot.
        if len(planted) > 4:
            assert planted.encode() not in seen, planted
    assert b"edge/1/demo/box-1/result/scanner" in seen, "control: the search finds what is in the clear"
    assert main(["clinic", "receive", str(clinic), "--json", "--exit-after-idle", "2.5"]) == 0
    opened = capsys.readouterr().out
    assert opened.count(LABEL) >= 3, "control: the same string is in the opened payloads"
    assert PATIENT not in opened, "only the custodian finds it: see the identity block above"
    assert main(["clinic", "reidentify", str(clinic), "--all"]) == 0
    assert capsys.readouterr().out.count(PATIENT) == 3, "control: it was there"

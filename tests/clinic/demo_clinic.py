"""A clinic with a real Mosquitto on a free port."""

from __future__ import annotations

import getpass
import shutil
import signal
import socket
import subprocess
import time
from datetime import datetime, timezone
from pathlib import Path

import pytest

from edge.clinic import keyring
from edge.clinic.places import ClinicConfig
from edge.enroll import EnrolmentRequest, _proof_of
from edge.wire.keys import SigningKey

NOW = datetime.now(timezone.utc)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Broker:
    """Mosquitto with the rendered configuration of a clinic."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        binary = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
        if binary is None:
            pytest.skip("needs mosquitto: apt install mosquitto mosquitto-clients")
        log = (self.folder / "log").open("ab")
        with log:
            self.process = subprocess.Popen([binary, "-c", str(self.folder / "mosquitto.conf")], stderr=log)
        self.wait_for_port()

    def wait_for_port(self) -> None:
        assert self.process
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and self.process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        raise AssertionError("mosquitto did not start: " + (self.folder / "log").read_text()[-2000:])

    def reload(self) -> None:
        assert self.process
        self.process.send_signal(signal.SIGHUP)
        time.sleep(0.3)

    def kill(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self.process:
            self.process.send_signal(how)
            self.process.wait()
            self.process = None


def make_clinic(folder: Path, *, passphrase: bytes | None = None, now: datetime = NOW) -> Path:
    config = ClinicConfig(
        root="edge", site="demo", hosts=("localhost", "127.0.0.1"), port=free_port(), operator="anna"
    )
    keyring.init(
        folder, config, now=now, passphrase=passphrase, broker_user=getpass.getuser(), bind="127.0.0.1"
    )
    return folder


class Box:
    """The box's side of a clinic in a test: keys, certificate, and where they are."""

    def __init__(
        self, clinic: Path, folder: Path, device: str = "box-1", *, passphrase: bytes | None = None
    ) -> None:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.x509.oid import NameOID

        from edge.clinic import pki
        from edge.enroll import EnrolmentPackage, _read

        self.device, self.folder = device, folder
        folder.mkdir(parents=True)
        self.key, tls = SigningKey.generate(), pki.make_key()
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, device)])
        csr = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(tls, hashes.SHA256())
        request = EnrolmentRequest(
            site="demo",
            device=device,
            public=self.key.public.raw,
            csr=csr.public_bytes(serialization.Encoding.PEM),
        )
        self.request = request.model_copy(update={"proof": self.key.sign(_proof_of(request))})
        text = keyring.add_box(keyring.open_root(clinic, passphrase), device, self.request, NOW)
        self.package = _read(EnrolmentPackage, "EDGE ENROLMENT PACKAGE", text, "a package")
        (folder / "tls.key").write_bytes(pki.key_pem(tls))
        (folder / "tls.pem").write_bytes(self.package.certificate)
        (folder / "broker-ca.pem").write_bytes(self.package.broker_ca)

    @staticmethod
    def again(box: Box, *, forget: bool = False) -> Box:
        """The same box with its disk wiped (``forget``) or as it is, for a new process."""
        for name in ("spool", "ledger") if forget else ():
            for path in box.folder.glob(f"{name}*"):
                path.unlink()
        return box

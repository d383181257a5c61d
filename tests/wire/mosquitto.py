"""A real Mosquitto with TLS 1.3, client certificates and an ACL, on a free port of the loopback."""

from __future__ import annotations

import datetime as dt
import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from edge.wire.session import SessionConfig

SITE = "edge/1/site"
ACL = f"""
user box-1
topic write {SITE}/box-1/state
topic write {SITE}/box-1/status/+
topic write {SITE}/box-1/result/+
topic read {SITE}/box-1/cmd/+
topic read {SITE}/box-1/ack/+
user receiver
topic read {SITE}/#
topic write {SITE}/+/ack/+
topic write {SITE}/+/cmd/+
"""


class Certificates:
    """An authority of its own, and certificates for the broker and its clients."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        certificate = self._builder("test authority", self._key, ca=True).sign(self._key, hashes.SHA256())
        self.ca = folder / "ca.pem"
        self.ca.write_bytes(certificate.public_bytes(Encoding.PEM))

    def _builder(self, name: str, key: ec.EllipticCurvePrivateKey, *, ca: bool) -> x509.CertificateBuilder:
        now = dt.datetime.now(dt.timezone.utc)
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(minutes=5))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )

    def issue(self, name: str) -> tuple[Path, Path]:
        """Certificate and key for a name; the name ``localhost`` is the broker's."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(name, key, ca=False)
        if name == "localhost":
            names = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        paths = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        paths[0].write_bytes(builder.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM))
        paths[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return paths


class Broker:
    """Mosquitto; `start`, `kill` and `start` again as often as a test likes."""

    def __init__(self, folder: Path, extra: str = "", acl: str = ACL) -> None:
        self.folder = folder
        self.certificates = Certificates(folder / "pki")
        certificate, key = self.certificates.issue("localhost")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        (folder / "acl").write_text(acl)
        (folder / "data").mkdir()
        (folder / "mosquitto.conf").write_text(
            f"user {getpass.getuser()}\nper_listener_settings false\nlistener {self.port} 127.0.0.1\n"
            f"tls_version tlsv1.3\ncafile {self.certificates.ca}\ncertfile {certificate}\nkeyfile {key}\n"
            f"require_certificate true\nallow_anonymous false\nuse_identity_as_username true\n"
            f"use_username_as_clientid true\nacl_file {folder / 'acl'}\n"
            f"persistence true\npersistence_location {folder / 'data'}/\nautosave_interval 1\n"
            f"log_dest stderr\nlog_type all\n{extra}\n"
        )
        self.log = folder / "log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        binary = shutil.which("mosquitto", path=os.environ["PATH"] + ":/usr/sbin:/usr/local/sbin")
        if binary is None:
            pytest.skip("needs mosquitto: apt install mosquitto mosquitto-clients")
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([binary, "-c", str(self.folder / "mosquitto.conf")], stderr=log)
        deadline = time.monotonic() + 10
        while self.process.poll() is None and time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        raise AssertionError("mosquitto did not start:\n" + self.log.read_text()[-2000:])

    def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        if self.process:
            self.process.send_signal(how)
            self.process.wait()
            self.process = None

    def config(self, name: str, **changes: object) -> SessionConfig:
        """What a client of this name needs to connect."""
        certificate, key = self.certificates.issue(name)
        fields = {"host": "localhost", "port": self.port, "ca": self.certificates.ca}
        fields |= {"certificate": certificate, "key": key, "client_id": name, "keepalive_s": 5}
        return SessionConfig(**(fields | changes))


def wait_for(true, seconds: float = 15.0) -> None:
    """Wait until ``true()``; fail if that takes too long."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)

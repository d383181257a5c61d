"""The manifest at the clinic's end: only newer ones, never an expired one."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.clinic import command, keyring, receive
from edge.clinic.places import KNOWN, MANIFEST, ClinicError, current_manifest, read_config, read_manifest
from edge.clinic.receive import ManifestFile, Observer, Receiver
from edge.clinic.reidentify import reidentify
from edge.flag import Flag
from tests.clinic.demo_clinic import NOW


def renew(clinic: Path) -> None:
    root = keyring.open_root(clinic, None)
    manifest = read_manifest(root.folder, root.config, 0, None)
    keyring.renew(root, manifest, NOW)


@pytest.mark.parametrize("role", ["receiver", "operator", "custodian"])
def test_a_rolled_back_manifest_is_refused_after_a_restart(clinic: Path, role: str) -> None:
    place = clinic / role

    def start() -> None:
        if role == "receiver":
            Receiver(clinic).close()
        elif role == "operator":
            command.send(clinic, "box-9", "ping", wait=None)
        else:
            list(reidentify(clinic, clinic / "receiver" / "vault.sqlite", b"", by="anna"))

    Receiver(clinic).close()  # makes the vault
    old = (place / MANIFEST).read_bytes()
    renew(clinic)
    new = (place / MANIFEST).read_bytes()
    assert new != old

    def starts() -> None:
        if role == "operator":
            with pytest.raises(ClinicError, match="no box"):  # it got past the manifest
                start()
        else:
            start()

    starts()
    assert (place / KNOWN).stat().st_mode & 0o777 == 0o600
    (place / MANIFEST).write_bytes(old)
    with pytest.raises(ClinicError, match="rolled_back"):
        start()
    (place / MANIFEST).write_bytes(new)
    starts()
    (place / KNOWN).write_bytes(b"rubbish")
    with pytest.raises(ClinicError, match="clinic's root has given"):
        start()


def test_a_running_reader_takes_newer_ones_only(clinic: Path) -> None:
    place = clinic / "receiver"
    file = ManifestFile(place)
    first, old = file.current().version, (place / MANIFEST).read_bytes()
    renew(clinic)
    assert file.current().version == first + 1
    (place / MANIFEST).unlink()
    (place / MANIFEST).write_bytes(old)
    assert file.current().version == first + 1
    assert "rolled_back" in file.trouble


def test_another_root_starts_its_own_count(clinic: Path) -> None:
    place = clinic / "receiver"
    (place / KNOWN).write_text('{"root": "00", "version": 99}')
    assert current_manifest(place, read_config(place), None).version == 1
    assert '"version":1' in (place / KNOWN).read_text()


def test_expiry_is_judged_while_the_receiver_runs(clinic: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    receiver = Receiver(clinic)
    turns = []

    class Watch(Observer):
        def turn(self, tally: receive.Tally) -> None:
            turns.append(tally.connected)
            monkeypatch.setattr(receive, "_now_ms", lambda: 1 << 45)

    try:
        with pytest.raises(ClinicError, match="expired"):
            receiver.run(Watch(), stop=Flag())
    finally:
        receiver.close()
    assert turns  # the control: it ran until then

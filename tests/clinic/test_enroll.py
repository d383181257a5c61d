"""A box joins a clinic by request and package; each half refuses what does not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edge.cli import main
from edge.clinic import keyring
from edge.clinic.places import read_config, read_manifest
from edge.enroll import (
    SIGNING_KEY,
    EnrolError,
    EnrolmentPackage,
    _read,
    accept,
    init_box,
    read_request,
    write_package,
    write_request,
)
from edge.settings import Settings, parse
from edge.wire.keys import SigningKey
from edge.wire.manifest import Manifest
from tests.clinic.demo_clinic import NOW, make_clinic

NOW_MS = int(NOW.timestamp() * 1000)


def toml(folder: Path, device: str = "box-1", site: str = "demo", port: int = 8883) -> str:
    return f"""\
[box]
site = "{site}"
device = "{device}"
state = "{folder}/state"
keys = "{folder}/keys"
[broker]
port = {port}
ca = "{folder}/broker-ca.pem"
certificate = "{folder}/keys/box.pem"
key = "{folder}/keys/box.key"
[clinic]
manifest = "{folder}/manifest.cose"
root_key = "{folder}/clinic-root.pub"
"""


@pytest.fixture
def box(tmp_path: Path, clinic: Path) -> Settings:
    return parse(toml(tmp_path / "box", port=read_config(clinic / "root").port))


def package(clinic: Path, settings: Settings) -> EnrolmentPackage:
    request = read_request(write_request(init_box(settings)))
    text = keyring.add_box(keyring.open_root(clinic, None), settings.box.device, request, NOW)
    return _read(EnrolmentPackage, "EDGE ENROLMENT PACKAGE", text, "a package")


def altered(good: EnrolmentPackage, **other: Any) -> bytes:
    return write_package(good.model_copy(update=other))


def test_private_keys_stay_on_the_box_and_owner_only(clinic: Path, box: Settings, tmp_path: Path) -> None:
    request = write_request(init_box(box))
    secret = [
        tmp_path / "box" / name for name in (f"keys/{SIGNING_KEY}", "keys/box.key", "state/keys/disk.key")
    ]
    assert {path.stat().st_mode & 0o077 for path in secret} == {0}
    assert b"PRIVATE" not in request
    assert (tmp_path / "box" / "state" / "disk.pub").exists()
    before = [path.read_bytes() for path in secret]
    assert init_box(box).public == read_request(request).public
    assert [path.read_bytes() for path in secret] == before, "keys that exist are kept"


def test_a_box_that_joined_has_all_that_it_needs(clinic: Path, box: Settings) -> None:
    done = accept(box, write_package(package(clinic, box)), NOW_MS)
    assert (done.manifest_version, done.notes) == (2, ())
    for path in (box.broker.ca, box.broker.certificate, box.clinic.manifest, box.clinic.root_key):
        assert path.exists()
    manifest = read_manifest(clinic / "receiver", read_config(clinic / "receiver"), 0, NOW_MS)
    assert [key.kid for key in manifest.box_keys("box-1")] == [
        SigningKey.load(box.box.keys / SIGNING_KEY).kid
    ]


def test_joining_again_renews_the_certificate_and_never_takes_an_older_manifest(
    clinic: Path, box: Settings
) -> None:
    first = package(clinic, box)
    accept(box, write_package(first), NOW_MS)
    second = package(clinic, box)
    assert accept(box, write_package(second), NOW_MS).manifest_version == 3
    assert second.certificate != first.certificate
    with pytest.raises(EnrolError, match="rolled_back"):
        accept(box, write_package(first), NOW_MS)
    assert box.broker.certificate.read_bytes() == second.certificate, "nothing was installed"


def test_settings_that_differ_from_the_clinics_broker_are_noted(clinic: Path, tmp_path: Path) -> None:
    settings = parse(toml(tmp_path / "box", port=1))
    port = read_config(clinic / "root").port
    assert accept(settings, write_package(package(clinic, settings)), NOW_MS).notes == (
        f"set broker.port = {port} in the settings (it is 1)",
    )


def test_a_package_that_does_not_fit_installs_nothing(clinic: Path, box: Settings, tmp_path: Path) -> None:
    good = package(clinic, box)
    other_clinic = make_clinic(tmp_path / "other")
    twin = parse(toml(tmp_path / "twin"))
    theirs = package(other_clinic, twin)
    stranger = parse(toml(tmp_path / "stranger", device="box-2"))
    bad = {
        "expected an enrolment package": b"hello",
        "for device 'box-2'": write_package(package(clinic, stranger)),
        "do not fit together": altered(good, broker_ca=theirs.broker_ca),
        "for another key": write_package(theirs),
        "manifest is refused: forged": altered(
            good, manifest=good.manifest[:-1] + bytes([good.manifest[-1] ^ 1])
        ),
        "manifest is refused: unknown_sender": altered(good, root_key=theirs.root_key),
        "manifest is refused: expired": altered(good, manifest=expired(clinic)),
        "does not name this box": altered(good, manifest=empty(clinic)),
    }
    for words, data in bad.items():
        with pytest.raises(EnrolError, match=words):
            accept(box, data, NOW_MS)
        assert not box.broker.certificate.exists()
        assert not box.clinic.root_key.exists()


def expired(clinic: Path) -> bytes:
    root = keyring.open_root(clinic, None)
    manifest = read_manifest(root.folder, root.config, 0, None)
    return manifest.model_copy(update={"expires_ms": NOW_MS}).sign(root.signing)


def empty(clinic: Path) -> bytes:
    root = keyring.open_root(clinic, None)
    manifest: Manifest = read_manifest(root.folder, root.config, 0, None)
    return manifest.model_copy(update={"boxes": []}).sign(root.signing)


def test_a_box_does_not_change_its_clinic_by_a_package(clinic: Path, box: Settings, tmp_path: Path) -> None:
    accept(box, write_package(package(clinic, box)), NOW_MS)
    usurper = package(make_clinic(tmp_path / "other"), box)
    with pytest.raises(EnrolError, match="belongs to another clinic root"):
        accept(box, write_package(usurper), NOW_MS)


def test_a_request_whose_key_was_exchanged_is_refused(box: Settings) -> None:
    request = init_box(box)
    forged = request.model_copy(update={"public": SigningKey.generate().public.raw})
    with pytest.raises(EnrolError, match="not signed by the key it names"):
        read_request(write_request(forged))
    with pytest.raises(EnrolError, match="expected an enrolment request"):
        read_request(b"junk")


def test_the_three_commands_bring_box_and_clinic_together(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clinic, settings = str(tmp_path / "c"), str(tmp_path / "edge.toml")
    Path(settings).write_text(toml(tmp_path / "box"))
    request, parcel = str(tmp_path / "r"), str(tmp_path / "p")
    assert main(["clinic", "init", clinic, "--site", "demo", "--port", "8883"]) == 0
    assert main(["init-box", "--settings", settings, "--request", request]) == 0
    shown_by_box = capsys.readouterr().out
    assert main(["clinic", "add-box", clinic, "box-1", request, "--out", parcel]) == 0
    shown_by_clinic = capsys.readouterr().out
    assert main(["init-box", "--settings", settings, "--accept", parcel]) == 0
    fingerprint = shown_by_box.split("box box-1 ")[1].split(":")[0]
    assert fingerprint in shown_by_clinic, "two people can compare it"
    with pytest.raises(SystemExit) as caught:
        main(["clinic", "add-box", clinic, "box-2", request])
    assert caught.value.code == 2
    assert "is for box 'box-1'" in capsys.readouterr().err
    assert main(["init-box", "--settings", settings, "--accept", request]) == 2
    assert "expected an enrolment package" in capsys.readouterr().err

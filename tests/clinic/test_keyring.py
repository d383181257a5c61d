"""Making a clinic: each role's keys in its own folder; boxes join by request and package."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from edge.clinic import broker, keyring
from edge.clinic.pki import PkiError
from edge.clinic.places import ClinicError, read_config, read_manifest, role_folder
from edge.wire.keys import KeyFileError, PrivateKey, SigningKey
from tests.clinic.demo_clinic import NOW, Box, make_clinic


def test_every_role_has_its_own_keys_and_nobody_else_may_read_them(clinic: Path) -> None:
    private = {
        str(path.relative_to(clinic))
        for path in clinic.rglob("*")
        if path.is_file() and b"PRIVATE KEY" in path.read_bytes()
    }
    assert private == {
        *("root/root.key", "root/ca.key", "broker/server.key", "custodian/identity.key"),
        *(
            "receiver/open.key",
            "receiver/ack.key",
            "receiver/tls.key",
            "operator/command.key",
            "operator/tls.key",
        ),
    }
    secret = [clinic / name for name in (*private, "receiver/vault.key")]
    assert {path.stat().st_mode & 0o077 for path in secret} == {0}
    assert {path.stat().st_mode & 0o077 for path in clinic.iterdir()} == {0}


def test_the_manifest_names_the_keys_of_the_folders(clinic: Path) -> None:
    config = read_config(clinic / "receiver")
    manifest = read_manifest(clinic / "receiver", config, 0, int(NOW.timestamp() * 1000))
    assert manifest.recipients() == [PrivateKey.load(clinic / "receiver" / "open.key").recipient]
    assert manifest.ack_keys() == [SigningKey.load(clinic / "receiver" / "ack.key").public]
    assert manifest.custodian() == PrivateKey.load(clinic / "custodian" / "identity.key").recipient
    assert manifest.operator_keys("ping") == [SigningKey.load(clinic / "operator" / "command.key").public]


def test_a_role_works_from_a_folder_that_was_moved(clinic: Path, tmp_path: Path) -> None:
    shutil.move(clinic / "receiver", tmp_path / "elsewhere")
    assert role_folder(tmp_path / "elsewhere", "receiver") == tmp_path / "elsewhere"
    assert read_config(tmp_path / "elsewhere").site == "demo"
    with pytest.raises(ClinicError, match="holds no receiver"):
        role_folder(clinic, "receiver")
    with pytest.raises(ClinicError, match="holds no operator"):
        role_folder(tmp_path / "elsewhere", "operator")


def test_a_clinic_is_never_made_over_another(clinic: Path) -> None:
    before = (clinic / "root" / "root.key").read_bytes()
    with pytest.raises(ClinicError, match="is not empty"):
        make_clinic(clinic)
    assert (clinic / "root" / "root.key").read_bytes() == before


def test_without_the_brokers_templates_nothing_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker, "_TEMPLATES", (tmp_path / "none",))
    with pytest.raises(ClinicError, match=r"template mosquitto\.conf is missing; run this from a checkout"):
        make_clinic(tmp_path / "clinic")
    assert not (tmp_path / "clinic").exists()
    monkeypatch.undo()
    make_clinic(tmp_path / "clinic")  # the control: the same call, once they are there


def test_with_a_passphrase_the_keys_of_people_are_encrypted_and_the_receivers_are_not(tmp_path: Path) -> None:
    clinic = make_clinic(tmp_path / "c", passphrase=b"correct horse")
    for name in ("root/root.key", "operator/command.key"):
        with pytest.raises(KeyFileError):
            SigningKey.load(clinic / name)
        SigningKey.load(clinic / name, b"correct horse")
    with pytest.raises(KeyFileError):
        PrivateKey.load(clinic / "custodian" / "identity.key", b"wrong")
    PrivateKey.load(clinic / "custodian" / "identity.key", b"correct horse")
    SigningKey.load(clinic / "receiver" / "ack.key")
    with pytest.raises(KeyFileError):
        keyring.open_root(clinic, None)
    keyring.open_root(clinic, b"correct horse")


def test_adding_a_box_raises_the_version_in_every_folder_and_in_the_acl(clinic: Path, tmp_path: Path) -> None:
    config = read_config(clinic / "root")
    assert "user box-1" not in (clinic / "broker" / "acl").read_text()
    Box(clinic, tmp_path / "b1", "box-1")
    Box(clinic, tmp_path / "b2", "box-2")
    for role in ("root", "receiver", "custodian", "operator"):
        manifest = read_manifest(clinic / role, config, 3, None)
        assert (manifest.version, [box.device for box in manifest.boxes]) == (3, ["box-1", "box-2"])
    acl = (clinic / "broker" / "acl").read_text()
    assert acl.count("user box-1\n") == acl.count("user box-2\n") == 1
    with pytest.raises(ClinicError, match="rolled_back"):
        read_manifest(clinic / "root", config, 4, None)


def test_a_revoked_box_has_no_section_in_the_acl(clinic: Path, tmp_path: Path) -> None:
    box = Box(clinic, tmp_path / "b1", "box-1")
    root = keyring.open_root(clinic, None)
    manifest = read_manifest(root.folder, root.config, 0, None)
    keyring.renew(root, manifest.model_copy(update={"revoked": [box.key.kid]}), NOW)
    assert "user box-1" not in (clinic / "broker" / "acl").read_text()
    with pytest.raises(ClinicError, match="was revoked"):
        keyring.add_box(root, "box-1", box.request, NOW)


def test_another_key_cannot_take_an_enrolled_boxs_name(clinic: Path, tmp_path: Path) -> None:
    """Cites T4 of the threat model."""
    Box(clinic, tmp_path / "b1", "box-1")
    with pytest.raises(ClinicError, match="another signing key"):
        Box(clinic, tmp_path / "b2", "box-1")


@pytest.mark.parametrize(
    "name", ["box/1", "box+", "#", "Box", "", "clinic:receiver", "a b", "x" * 64, ".box", "box\n"]
)
def test_a_name_that_could_reach_elsewhere_is_refused(clinic: Path, tmp_path: Path, name: str) -> None:
    box = Box(clinic, tmp_path / "b1", "box-1")
    with pytest.raises(PkiError, match="cannot name a box"):
        keyring.add_box(keyring.open_root(clinic, None), name, box.request, NOW)


def test_a_request_for_another_box_or_clinic_is_refused(clinic: Path, tmp_path: Path) -> None:
    box, root = Box(clinic, tmp_path / "b1", "box-1"), keyring.open_root(clinic, None)
    with pytest.raises(ClinicError, match="is for box 'box-1'"):
        keyring.add_box(root, "box-2", box.request, NOW)
    with pytest.raises(ClinicError, match="elsewhere"):
        keyring.add_box(root, "box-1", box.request.model_copy(update={"site": "elsewhere"}), NOW)
    renamed = box.request.model_copy(update={"device": "box-2"})
    with pytest.raises(PkiError, match="is not for 'box-2'"):
        keyring.add_box(root, "box-2", renamed, NOW)

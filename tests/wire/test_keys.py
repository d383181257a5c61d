from __future__ import annotations

import stat
import subprocess

import pytest
from cryptography.exceptions import InvalidTag

from edge.wire import pem
from edge.wire.keys import Kem, KeyFileError, PrivateKey, Recipient, SigningKey, VerifyKey


@pytest.mark.parametrize("passphrase", [None, b"correct horse"])
@pytest.mark.parametrize("kem", list(Kem))
def test_a_private_key_survives_its_file(tmp_path, kem, passphrase):
    key = PrivateKey.generate(kem)
    key.save(tmp_path / "k", passphrase)
    again = PrivateKey.load(tmp_path / "k", passphrase)
    assert again.kid == key.kid
    enc, wrapped = key.recipient.wrap(b"secret", b"info")
    assert again.unwrap(enc, wrapped, b"info") == b"secret"
    with pytest.raises(InvalidTag):
        again.unwrap(enc, wrapped, b"other")


@pytest.mark.parametrize("passphrase", [None, b"correct horse"])
def test_a_signing_key_survives_its_file(tmp_path, passphrase):
    key = SigningKey.generate()
    key.save(tmp_path / "k", passphrase)
    again = SigningKey.load(tmp_path / "k", passphrase)
    assert key.public.verify(again.sign(b"data"), b"data")
    assert not key.public.verify(again.sign(b"data"), b"Data")


def test_public_keys_survive_their_files(tmp_path):
    signing, sealing = SigningKey.generate().public, PrivateKey.generate().recipient
    signing.save(tmp_path / "s")
    sealing.save(tmp_path / "r")
    assert VerifyKey.load(tmp_path / "s") == signing
    assert Recipient.load(tmp_path / "r") == sealing


def test_private_files_are_owner_only_and_never_overwritten(tmp_path):
    for name, key in (("a", SigningKey.generate()), ("b", PrivateKey.generate())):
        path = tmp_path / name
        key.save(path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        with pytest.raises(FileExistsError):
            key.save(path)
        path.chmod(0o640)
        with pytest.raises(KeyFileError, match="others may read"):
            type(key).load(path)


@pytest.mark.parametrize(
    "key", [SigningKey.generate(), PrivateKey.generate(), PrivateKey.generate(Kem.X25519)]
)
def test_wrong_or_missing_passphrase_is_said(tmp_path, key):
    key.save(tmp_path / "k", b"right")
    for wrong in (None, b"wrong"):
        with pytest.raises(KeyFileError):
            type(key).load(tmp_path / "k", wrong)


def test_a_key_of_another_kind_is_refused(tmp_path):
    PrivateKey.generate(Kem.X25519).save(tmp_path / "x")
    SigningKey.generate().save(tmp_path / "s")
    (tmp_path / "junk").write_bytes(
        b"-----BEGIN X-WING PRIVATE KEY-----\nAAAA\n-----END X-WING PRIVATE KEY-----\n"
    )
    (tmp_path / "junk").chmod(0o600)
    for load, name in ((SigningKey.load, "x"), (PrivateKey.load, "s"), (PrivateKey.load, "junk")):
        with pytest.raises(KeyFileError):
            load(tmp_path / name)
    for load in (SigningKey.load, PrivateKey.load, VerifyKey.load, Recipient.load):
        with pytest.raises(KeyFileError):
            load(tmp_path / "absent")


def test_openssl_reads_the_xwing_file(tmp_path):
    """An independent reader of DER finds the algorithm and the seed's octet string."""
    PrivateKey(Kem.XWING, bytes(range(32))).save(tmp_path / "k")
    shown = subprocess.run(
        ["openssl", "asn1parse", "-in", str(tmp_path / "k")], capture_output=True, text=True, check=True
    ).stdout
    assert "1.3.6.1.4.1.62253.25722" in shown
    assert bytes(range(32)).hex().upper() in shown


def test_kids_differ_between_kinds_of_one_raw_key():
    raw = SigningKey.generate().public.raw
    assert VerifyKey(raw).kid != Recipient(Kem.X25519, raw).kid
    assert len(VerifyKey(raw).kid) == 16


def test_xwing_key_matches_the_drafts_vector():
    """draft-connolly-cfrg-xwing-kem, appendix C, first vector: the public key of this seed."""
    seed = bytes.fromhex("7f9c2ba4e88f827d616045507605853ed73b8093f6efbc88eb1a6eacfa66ef26")
    assert PrivateKey(Kem.XWING, seed).recipient.raw.hex().startswith("e2236b35a8c24b39b10aa1323a96a919")


@pytest.mark.parametrize("step", ["fsync", "link"])
def test_a_key_file_appears_whole_or_not_at_all(tmp_path, monkeypatch, step):
    class PowerCut(BaseException):
        pass

    def cut(*_args, **_options):
        raise PowerCut

    key = SigningKey.generate()
    with monkeypatch.context() as patch:
        patch.setattr(pem.os, step, cut)
        with pytest.raises(PowerCut):
            key.save(tmp_path / "k")
    assert not (tmp_path / "k").exists()
    key.save(tmp_path / "k")
    assert SigningKey.load(tmp_path / "k").kid == key.kid
    assert [path.name for path in tmp_path.iterdir()] == ["k"]
    assert stat.S_IMODE((tmp_path / "k").stat().st_mode) == 0o600


def test_a_key_that_came_meanwhile_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(pem.Path, "exists", lambda _path: False)
    (tmp_path / "k").write_bytes(b"first")
    with pytest.raises(FileExistsError):
        SigningKey.generate().save(tmp_path / "k")
    assert (tmp_path / "k").read_bytes() == b"first"
    assert len(list(tmp_path.iterdir())) == 1

"""Back to the patient: the custodian alone, from the right block alone, and audited. Cites T8."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from edge.cli import main
from edge.clinic.examine import examine_result
from edge.clinic.places import read_config, read_manifest
from edge.clinic.receive import VAULT, vault_key
from edge.clinic.vault import Vault
from edge.imaging.frames import Identity
from edge.wire.identity import IdentityContext, seal_identity
from edge.wire.keys import PrivateKey, SigningKey
from edge.wire.manifest import BoxEntry
from tests.clinic.demo_clinic import Box
from tests.clinic.results import head, result, seal

STUDY = bytes.fromhex("a1b2c3d4") + bytes(12)


@pytest.fixture
def filled(clinic: Path, tmp_path: Path) -> Path:
    """A vault with two objects of one study."""
    box = Box(clinic, tmp_path / "box")
    folder = clinic / "receiver"
    manifest = read_manifest(folder, read_config(folder), 0, None)
    keys = [PrivateKey.load(folder / "open.key")]
    custodian = manifest.custodian()
    assert custodian
    with Vault(folder / VAULT, vault_key(folder)) as vault:
        for n in (1, 2):
            handle = bytes([n]) * 16
            who = Identity(f"PATIENT-{n}", "ISSUER", "ACC", "1.2", "1.2.3", f"1.2.3.{n}")
            block = seal_identity(who, custodian, IdentityContext("demo", "box-1", STUDY, handle))
            body = result(
                n, head=head(n), study=STUDY, object=handle, identity=block, identity_kid=custodian.kid
            )
            sealed = seal(body, box.key, keys[0].recipient)
            vault.store([examine_result(*sealed, manifest, keys, 0).record])
    return clinic


def ask(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, list[dict[str, Any]]]:
    code = main(["clinic", "reidentify", *words])
    return code, [json.loads(row) for row in capsys.readouterr().out.splitlines()]


def test_an_object_or_a_whole_study_by_the_digits_that_the_table_shows(
    filled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(capsys, str(filled), "02" * 16)[1][0]["patient_id"] == "PATIENT-2"
    code, rows = ask(capsys, str(filled), "a1b2c3d4")
    assert (code, [row["patient_id"] for row in rows]) == (0, ["PATIENT-1", "PATIENT-2"])
    assert {row["signed"] for row in rows} == {True}
    assert ask(capsys, str(filled), "ffffffff") == (1, [])
    audit = (filled / "custodian" / "reidentified.jsonl").read_text()
    assert [json.loads(line)["object"] for line in audit.splitlines()] == ["02" * 16, "01" * 16, "02" * 16]
    assert "PATIENT" not in audit


@pytest.mark.parametrize("bad", ["", "zz", "01", "0" * 40])
def test_what_is_no_handle_is_said(filled: Path, bad: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["clinic", "reidentify", str(filled), bad])
    assert "expected 8 to 32 hex digits" in capsys.readouterr().err


def test_a_block_put_under_another_patient_neither_opens_nor_counts_as_signed(
    filled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Cites A2: a finding attached to another patient is the worst loss."""
    with sqlite3.connect(filled / "receiver" / VAULT) as database:
        database.execute(
            "UPDATE identity SET block = (SELECT block FROM identity WHERE seq = 1) WHERE seq = 2"
        )
    code, rows = ask(capsys, str(filled), "02" * 16)
    assert (code, rows[0]["refused"], rows[0]["signed"]) == (1, "forged", False)
    # With its handles as well, it opens; but no box signed it there.
    with sqlite3.connect(filled / "receiver" / VAULT) as database:
        database.execute("UPDATE identity SET object = ? WHERE seq = 2", (b"\x01" * 16,))
    code, rows = ask(capsys, str(filled), "01" * 16)
    assert (code, [row["signed"] for row in rows]) == (1, [True, False])


def test_a_result_that_no_box_signed_is_told_even_if_the_vaults_key_made_it(
    filled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who owns the receiver's computer can write to the vault, but cannot sign as a box."""
    folder, handle = filled / "receiver", b"\x03" * 16
    manifest = read_manifest(folder, read_config(folder), 0, None)
    key, stranger = PrivateKey.load(folder / "open.key"), SigningKey.generate()
    custodian = manifest.custodian()
    assert custodian
    who = Identity("PATIENT-3", "", "", "1.2", "1.2.3", "1.2.3.3")
    block = seal_identity(who, custodian, IdentityContext("demo", "box-1", STUDY, handle))
    body = result(3, head=head(3), study=STUDY, object=handle, identity=block)
    fooled = manifest.model_copy(update={"boxes": [BoxEntry(device="box-1", public=stranger.public.raw)]})
    with Vault(folder / VAULT, vault_key(folder)) as vault:
        vault.store([examine_result(*seal(body, stranger, key.recipient), fooled, [key], 0).record])
    code, rows = ask(capsys, str(filled), "03" * 16)
    assert (code, rows[0]["patient_id"], rows[0]["signed"]) == (1, "PATIENT-3", False)


def test_the_custodian_works_on_a_machine_of_its_own_with_a_copy(
    filled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.move(filled / "custodian", tmp_path / "offline")
    shutil.copy(filled / "receiver" / VAULT, tmp_path / "copy")
    words = [str(tmp_path / "offline"), "--all", "--vault", str(tmp_path / "copy")]
    code, rows = ask(capsys, *words)
    assert (code, len(rows), rows[0]["signed"]) == (0, 2, None)
    with pytest.raises(SystemExit):
        main(["clinic", "reidentify", str(filled), "--all"])
    assert "holds no custodian" in capsys.readouterr().err

"""The custodian's keys: a new one beside the old, an old one sealed anew or destroyed by order. Cites T8."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from edge.cli import main
from edge.clinic.examine import check_evidence, examine_result
from edge.clinic.places import read_config, read_manifest
from edge.clinic.receive import VAULT, vault_key
from edge.clinic.resealed import FILE
from edge.clinic.vault import Vault
from edge.imaging.frames import Identity
from edge.store import audit
from edge.wire.identity import IdentityContext, seal_identity
from edge.wire.keys import PrivateKey
from tests.clinic.demo_clinic import Box, make_clinic
from tests.clinic.results import head, result, seal

STUDY = bytes(16)


class House:
    """A clinic, one of its boxes, and a vault that takes what the box sends."""

    def __init__(self, folder: Path) -> None:
        self.clinic = make_clinic(folder / "clinic")
        self.box = Box(self.clinic, folder / "box")
        self.seq, self.custodian = 0, self.clinic / "custodian"

    def manifest(self):
        folder = self.clinic / "receiver"
        return read_manifest(folder, read_config(folder), 0, None)

    def put(self, custodian=None) -> str:
        """One result, whose identity is sealed to the given key or to the manifest's; its patient."""
        self.seq += 1
        handle, name = bytes([self.seq]) * 16, f"PATIENT-{self.seq}"
        to = custodian or self.manifest().custodian()
        who = Identity(name, "", "", "1.2", "1.2.3", f"1.2.3.{self.seq}")
        block = seal_identity(who, to, IdentityContext("demo", "box-1", STUDY, handle))
        body = result(
            self.seq, head=head(self.seq), study=STUDY, object=handle, identity=block, identity_kid=to.kid
        )
        key = PrivateKey.load(self.clinic / "receiver" / "open.key")
        with self.vault() as vault:
            sealed = seal(body, self.box.key, key.recipient)
            vault.store([examine_result(*sealed, self.manifest(), [key], 0).record])
        return name

    def vault(self, *, readonly=False):
        folder = self.clinic / "receiver"
        return Vault(folder / VAULT, vault_key(folder), readonly=readonly)


@pytest.fixture
def house(tmp_path) -> House:
    return House(tmp_path)


@pytest.fixture
def run(capsys):
    def run(*words) -> tuple[int, str]:
        try:
            code = main(["clinic", *map(str, words)])
        except SystemExit as stop:
            code = int(str(stop.code))
        said = capsys.readouterr()
        return code, said.out + said.err

    return run


@pytest.fixture
def who(run):
    """Whom `reidentify --all` names, and whether boxes signed for it."""

    def who(folder, *words):
        code, said = run("reidentify", folder, "--all", *words)
        rows = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
        return (
            code,
            [row.get("patient_id") or row["refused"] for row in rows],
            {row["signed"] for row in rows},
        )

    return who


def word_under(said):
    return said.strip().rpartition("--order ")[2]


def test_old_and_new_blocks_open_and_boxes_seal_to_the_new_key(house, run, who):
    first, before = house.put(), house.manifest()
    code, said = run("rotate-custodian", house.clinic)
    after = house.manifest()
    assert (code, after.version) == (0, before.version + 1)
    assert after.custodian().kid.hex() in said
    assert after.custodian() != before.custodian()
    late, second = house.put(before.custodian()), house.put()
    assert who(house.clinic) == (0, [first, late, second], {True})


def test_both_halves_on_machines_of_their_own(house, tmp_path, run, who):
    names = [house.put()]
    shutil.move(house.custodian, tmp_path / "custodian")
    public = tmp_path / "new.pub"
    assert run("rotate-custodian", tmp_path / "custodian", "--out", public)[0] == 0
    assert b"PRIVATE" not in public.read_bytes()
    assert run("rotate-custodian", house.clinic, "--public", public)[0] == 0
    names.append(house.put())
    shutil.copy(house.clinic / "receiver" / "manifest.cose", tmp_path / "custodian")
    vault = ("--vault", house.clinic / "receiver" / VAULT)
    assert who(tmp_path / "custodian", *vault)[1] == names


def test_sealed_anew_the_old_key_can_go_and_the_evidence_stays(house, run, who):
    names = [house.put(), house.put()]
    old = house.manifest().custodian().kid.hex()
    run("rotate-custodian", house.clinic)
    names.append(house.put())
    assert run("reseal", house.clinic) == (0, "sealed anew: 2; not opened: 0\n")
    assert run("reseal", house.clinic) == (0, "sealed anew: 0; not opened: 0\n")
    code, said = run("destroy-key", house.clinic, old)
    assert (code, "0 objects" in said, "has sent nothing" in said) == (1, True, False)
    assert run("destroy-key", house.clinic, old, "--order", word_under(said))[0] == 0
    assert not (house.custodian / "identity.key").exists()
    assert who(house.clinic) == (0, names, {True})
    with house.vault(readonly=True) as vault:
        assert all(check_evidence(row.payload, house.manifest()) for row in vault.results())


def test_a_second_rotation_takes_what_was_sealed_anew_along(house, run, who):
    names = [house.put()]
    for _ in range(2):
        kid = house.manifest().custodian().kid.hex()
        run("rotate-custodian", house.clinic)
        names.append(house.put())
        assert run("reseal", house.clinic)[0] == 0
        _, said = run("destroy-key", house.clinic, kid)
        assert run("destroy-key", house.clinic, kid, "--order", word_under(said))[0] == 0
    assert who(house.clinic) == (0, names, {True})
    assert len(list(house.custodian.glob("identity*.key"))) == 1


def test_a_key_is_destroyed_only_by_an_order_that_repeats_what_is_lost(house, run, who):
    house.put()
    old = house.manifest().custodian().kid.hex()
    code, said = run("destroy-key", house.clinic, old)
    assert (code, "boxes seal to this key now" in said) == (2, True)
    run("rotate-custodian", house.clinic)
    code, said = run("destroy-key", house.clinic, old)
    assert code == 1
    assert f"object {'01' * 16} of box-1" in said
    assert "box-1 has sent nothing under the newer key yet" in said
    order = word_under(said)
    house.put(PrivateKey.load(house.custodian / "identity.key").recipient)  # one more is lost meanwhile
    code, said = run("destroy-key", house.clinic, old, "--order", order)
    assert (code, "is not the word under this list" in said) == (2, True)
    assert who(house.clinic)[0] == 0
    _, said = run("destroy-key", house.clinic, old)
    assert run("destroy-key", house.clinic, old, "--order", word_under(said))[0] == 0
    assert who(house.clinic)[:2] == (1, ["wrong_recipient"] * 2)
    assert "key destroyed" in (house.custodian / "reidentified.jsonl").read_text()


def test_a_wrong_or_a_lost_passphrase(house, tmp_path, run, who):
    key, files = PrivateKey.load(house.custodian / "identity.key"), {}
    (house.custodian / "identity.key").unlink()
    key.save(house.custodian / "identity.key", b"old words")
    for name in ("old", "new", "wrong"):
        files[name] = ("--passphrase-file", tmp_path / name)
        (tmp_path / name).write_text(f"{name} words")
    first = house.put()
    code, said = run("reidentify", house.clinic, "--all", *files["wrong"])
    assert (code, "wrong passphrase" in said) == (2, True)
    public = ("--out", tmp_path / "new.pub")
    code, said = run("rotate-custodian", house.clinic, *public, *files["new"])
    assert (code, "wrong passphrase" in said) == (2, True)
    assert len(list(house.custodian.glob("identity*.key"))) == 1
    # Lost for good: a new key is made all the same, and what comes from now on opens.
    assert run("rotate-custodian", house.clinic, *public, "--old-is-lost", *files["new"])[0] == 0
    assert run("rotate-custodian", house.clinic, "--public", tmp_path / "new.pub")[0] == 0
    second = house.put()
    assert who(house.clinic, *files["new"]) == (1, ["wrong_recipient", second], {True})
    assert who(house.clinic, *files["old"]) == (1, [first, "wrong_recipient"], {True})  # found again


def test_what_was_sealed_anew_belongs_to_its_result_alone(house, run, who):
    house.put(), house.put()
    old = house.manifest().custodian().kid.hex()
    run("rotate-custodian", house.clinic)
    run("reseal", house.clinic)
    _, said = run("destroy-key", house.clinic, old)
    run("destroy-key", house.clinic, old, "--order", word_under(said))
    with sqlite3.connect(house.custodian / FILE) as database:
        database.execute("UPDATE resealed SET sealed = (SELECT sealed FROM resealed WHERE seq = 1)")
    assert who(house.clinic)[1] == ["PATIENT-1", "forged"]
    with sqlite3.connect(house.clinic / "receiver" / VAULT) as database:  # hung on another object
        database.execute("UPDATE identity SET object = ? WHERE seq = 1", (bytes(16),))
    assert who(house.clinic)[1] == ["forged", "forged"]
    assert b"PATIENT" not in (house.custodian / FILE).read_bytes()


def test_the_audit_log_tells_each_opening_and_shows_a_changed_line(house, run, who):
    house.put(), house.put()
    who(house.clinic)
    run("rotate-custodian", house.clinic)
    run("reseal", house.clinic)
    log = house.custodian / "reidentified.jsonl"
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["result"] for line in lines] == ["opened", "opened", "resealed", "resealed"]
    assert "PATIENT" not in log.read_text()
    code, said = run("audit", house.clinic)
    assert (code, "4 lines, each follows" in said) == (0, True)
    whole = log.read_bytes().splitlines(keepends=True)
    for bad in (whole[:1] + whole[2:], [whole[0].replace(b"opened", b"forged"), *whole[1:]], whole[1:]):
        log.write_bytes(b"".join(bad))
        assert run("audit", house.clinic)[0] == 1
    log.write_bytes(b"".join(whole))
    assert audit.check(log).broken == 0

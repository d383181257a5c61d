"""The vault: once, encrypted, durable."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edge.clinic.vault import IdentityBlock, Record, Vault, VaultError, identity_blocks

KEY = bytes(range(32))
EPOCH = b"e" * 16
PLANTED = b"meningioma_planted_in_the_payload"


def record(seq: int, *, payload: bytes = PLANTED, **other: object) -> Record:
    base = {
        "device": "box-1",
        "stream": "scanner",
        "epoch": EPOCH,
        "seq": seq,
        "kind": "object",
        "arrived_ms": 1,
    }
    return Record(**{**base, "payload": payload, **other})  # type: ignore[arg-type]


def block(seq: int, name: bytes) -> IdentityBlock:
    handles = (b"s" * 16, b"r" * 16, name * 16)
    return IdentityBlock("box-1", EPOCH, "scanner", seq, *handles, b"k" * 16, b"sealed:" + name)


def test_a_row_is_kept_once_and_the_position_rises_without_holes(tmp_path: Path) -> None:
    with Vault(tmp_path / "v", KEY) as vault:
        assert vault.store([record(1), record(3), record(1)]) == [True, True, False]
        key = ("box-1", "scanner", EPOCH)
        assert (vault.upto(key), vault.missing(key)) == (1, [(2, 2)])
        assert [row.seq for row in vault.untold()] == [1], "nothing ahead of a hole is handed on"
        assert vault.store([record(2)]) == [True]
        assert (vault.upto(key), vault.missing(key), vault.count()) == (3, [], 3)
        assert [row.seq for row in vault.untold()] == [1, 2, 3]
        assert vault.untold()[0].payload == PLANTED


def test_streams_epochs_and_devices_do_not_mix(tmp_path: Path) -> None:
    others = [record(1), record(1, epoch=b"f" * 16), record(1, stream="cam"), record(1, device="box-2")]
    with Vault(tmp_path / "v", KEY) as vault:
        assert vault.store(others) == [True] * 4
        assert len(vault.streams()) == 4


def test_a_gap_fills_the_hole_and_a_late_row_is_still_kept(tmp_path: Path) -> None:
    with Vault(tmp_path / "v", KEY) as vault:
        vault.store([record(1), record(5, kind="gap", gap=(2, 4, "bytes"))])
        assert vault.upto(("box-1", "scanner", EPOCH)) == 5
        assert vault.gaps() == [("box-1", "scanner", EPOCH, 2, 4, "bytes")]
        vault.mark_told([row.id for row in vault.untold()])
        assert vault.store([record(3)]) == [True]
        assert [row.seq for row in vault.untold()] == [3]


def test_a_reopened_vault_goes_on_where_it_was(tmp_path: Path) -> None:
    with Vault(tmp_path / "v", KEY) as vault:
        vault.store(
            [record(1), record(2), record(4), record(9, kind="gap", gap=(6, 7, "age"))], {"forged": 2}, 5
        )
        vault.mark_told([row.id for row in vault.untold()])
    with Vault(tmp_path / "v", KEY) as vault:
        key = ("box-1", "scanner", EPOCH)
        assert (vault.upto(key), vault.missing(key)) == (2, [(3, 3), (5, 5), (8, 8)])
        assert vault.untold() == []
        assert vault.refused() == {"forged": 2}
        assert vault.store([record(3), record(4)]) == [True, False]
        assert vault.upto(key) == 4


def test_a_failed_transaction_leaves_no_trace_in_memory(tmp_path: Path) -> None:
    with Vault(tmp_path / "v", KEY) as vault:
        vault.store([record(1)])
        with pytest.raises(ValueError, match="expected 1"):
            vault.store([record(2), record(3, gap=(9, 8, "age"))])
        assert (vault.upto(("box-1", "scanner", EPOCH)), vault.count()) == (1, 1)


def test_nothing_readable_on_disk_and_the_control_finds_it(tmp_path: Path) -> None:
    """Cites T7 of the threat model."""
    path = tmp_path / "v"
    with Vault(path, KEY) as vault:
        vault.store([record(n, study=b"s" * 16) for n in range(1, 40)])
        on_disk = b"".join(file.read_bytes() for file in tmp_path.iterdir())
        assert vault.untold()[0].payload == PLANTED, "control: it is in the opened payload"
    assert b"s" * 16 in on_disk, "control: the search finds what is there"
    assert PLANTED not in on_disk
    assert b"meningioma" not in on_disk
    assert {file.stat().st_mode & 0o077 for file in tmp_path.iterdir()} == {0}


def test_rows_of_a_short_and_a_long_body_are_equally_long(tmp_path: Path) -> None:
    """Cites T18 of the threat model: the length would tell the diagnosis."""
    with Vault(tmp_path / "v", KEY) as vault:
        vault.store([record(1, payload=b"a"), record(2, payload=b"a" * 900), record(3, payload=b"\0" * 1023)])
        assert {len(row[0]) for row in vault._db.execute("SELECT sealed FROM result")} == {1024 + 12 + 16}
        assert [row.payload for row in vault.untold()] == [b"a", b"a" * 900, b"\0" * 1023]


def test_a_wrong_key_is_told_at_once(tmp_path: Path) -> None:
    with Vault(tmp_path / "v", KEY) as vault:
        vault.store([record(1)])
    with pytest.raises(VaultError, match=r"wrong vault\.key"):
        Vault(tmp_path / "v", bytes(32))


def test_a_row_moved_to_another_place_does_not_open(tmp_path: Path) -> None:
    with Vault(tmp_path / "v", KEY) as vault:
        vault.store([record(1), record(2)])
        vault._db.execute(
            "UPDATE result SET sealed = (SELECT sealed FROM result WHERE seq = 1) WHERE seq = 2"
        )
        with pytest.raises(VaultError, match="altered"):
            vault.untold()


def test_identity_blocks_stand_apart_and_need_no_vault_key(tmp_path: Path) -> None:
    path = tmp_path / "v"
    with Vault(path, KEY) as vault:
        vault.store([record(1, identity=block(1, b"a")), record(2, identity=block(2, b"b")), record(3)])
        vault.store([record(1, identity=block(1, b"c"))])
        assert [item.block for item in identity_blocks(path)] == [b"sealed:a", b"sealed:b"]
    assert [item.block for item in identity_blocks(path, b"b" * 16)] == [b"sealed:b"]
    assert [item.block for item in identity_blocks(path, b"bbbb")] == [b"sealed:b"], "as the table shows it"
    assert len(list(identity_blocks(path, b"s" * 16))) == 2, "all of a study"
    assert list(identity_blocks(path, b"z" * 16)) == []


def test_one_receiver_at_a_time(tmp_path: Path) -> None:
    with Vault(tmp_path / "v", KEY) as vault:
        vault.store([record(1)])
        with pytest.raises(VaultError, match="held by another receiver"):
            Vault(tmp_path / "v", KEY)
        with Vault(tmp_path / "v", KEY, readonly=True) as reader:
            assert [row.seq for row in reader.results()] == [1]
    Vault(tmp_path / "v", KEY).close()


def test_what_was_committed_is_there_after_kill_9(tmp_path: Path) -> None:
    """Cites T15 of the threat model."""
    code = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[2])\n"
        "from test_vault import KEY, record; from edge.clinic.vault import Vault\n"
        "vault = Vault(Path(sys.argv[1]), KEY)\n"
        "for n in range(1, 100_000):\n    vault.store([record(n)]); print(n, flush=True)\n"
    )
    arguments = [sys.executable, "-c", code, str(tmp_path / "v"), str(Path(__file__).parent)]
    child = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env={**os.environ})
    assert child.stdout is not None
    for line in child.stdout:
        if int(line) >= 20:
            child.send_signal(signal.SIGKILL)
            break
    said = 20 + sum(1 for _ in child.stdout)
    child.wait()
    child.stdout.close()
    with Vault(tmp_path / "v", KEY) as vault:
        assert said <= vault.count() <= said + 1
        assert vault.upto(("box-1", "scanner", EPOCH)) == vault.count()


def test_not_a_vault(tmp_path: Path) -> None:
    (tmp_path / "v").write_bytes(b"hello, this is no database" * 100)
    with pytest.raises(VaultError, match="is not a vault"):
        Vault(tmp_path / "v", KEY)


def test_a_vault_of_a_newer_program_or_none_yet(tmp_path: Path) -> None:
    with pytest.raises(VaultError, match="does not exist"):
        Vault(tmp_path / "v", KEY, readonly=True)
    with Vault(tmp_path / "v", KEY) as vault:
        vault._db.execute("PRAGMA user_version = 2")
    with pytest.raises(VaultError, match="version 2"):
        Vault(tmp_path / "v", KEY)
    (tmp_path / "w").touch()
    with pytest.raises(VaultError, match="version 0"):
        Vault(tmp_path / "w", KEY, readonly=True)


def test_a_full_disk_stores_nothing_and_says_so(tmp_path: Path) -> None:
    """Cites T16: what could not be stored is not acknowledged, so the box keeps it."""
    with Vault(tmp_path / "v", KEY) as vault:
        vault.store([record(1)])
        pages = vault._db.execute("PRAGMA page_count").fetchone()[0]
        vault._db.execute(f"PRAGMA max_page_count = {pages + 2}")
        with pytest.raises(VaultError, match="cannot be written: database or disk is full"):
            vault.store([record(n, payload=b"x" * 5000) for n in range(2, 20)])
        assert (vault.count(), vault.upto(("box-1", "scanner", EPOCH))) == (1, 1)
        vault._db.execute("PRAGMA max_page_count = 100000")
        assert vault.store([record(2)]) == [True]

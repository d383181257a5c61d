"""The files of a ledger: torn, edited, foreign, on a full disk, and written by two processes at once."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledger_data import DATA, SMALL, only, reserve, run_of

from trainer.privacy import chain
from trainer.privacy.ledger import LedgerError, Ledgers


@pytest.fixture
def ledgers(tmp_path: Path) -> Ledgers:
    return Ledgers(tmp_path / "ledgers")


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(min_value=0, max_value=400))
def test_a_line_torn_by_a_power_cut_takes_nothing_with_it(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    folder = tmp_path_factory.mktemp("torn")
    ledgers = Ledgers(folder)
    reserve(ledgers, SMALL)
    path = ledgers.path
    whole = path.read_bytes()
    reserve(ledgers, SMALL)
    last = path.read_bytes()[len(whole) :]
    path.write_bytes(whole + last[: min(cut, len(last))])
    # All but the line feed is a whole record, and counts; anything less never came to training.
    assert len(only(ledgers).runs) == (2 if cut >= len(last) - 1 else 1)
    before = len(only(ledgers).runs)
    reserve(ledgers, SMALL)
    assert len(only(ledgers).runs) == before + 1


def test_zeros_after_a_power_cut_and_a_torn_opening_are_no_end(ledgers: Ledgers) -> None:
    reserve(ledgers, SMALL)
    path = ledgers.path
    with path.open("ab") as file:
        file.write(bytes(5000))  # longer than the line that comes next
    reserve(ledgers, SMALL)
    assert len(only(ledgers).runs) == 2
    assert "torn_bytes_cut_before" in path.read_text()
    assert b"\0" not in path.read_bytes()
    (ledgers.folder / "images.key").unlink()  # it is written after the first line
    path.write_bytes(path.read_bytes()[:50])
    assert ledgers.accounts() == []
    assert reserve(ledgers, SMALL).opened


@pytest.mark.parametrize("lose", [lambda path: path.unlink(), lambda path: path.write_bytes(b"")])
def test_a_file_that_is_gone_gives_no_fresh_budget(ledgers: Ledgers, lose) -> None:
    reserve(ledgers, SMALL)
    lose(ledgers.path)
    for refused in (ledgers.accounts, lambda: reserve(ledgers, SMALL)):
        with pytest.raises(LedgerError, match=r"ledger\.jsonl is gone or empty.*from a backup"):
            refused()


def edit_epsilon(text: str) -> str:
    return text.replace('"noise": 100.0', '"noise": 900.0', 1)


def drop_a_line(text: str) -> str:
    lines = text.splitlines(keepends=True)
    return "".join([lines[0], *lines[2:]])


def swap_lines(text: str) -> str:
    first, second, third, *rest = text.splitlines(keepends=True)
    return "".join([first, third, second, *rest])


@pytest.mark.parametrize("tamper", [edit_epsilon, drop_a_line, swap_lines, lambda text: "{}\n" + text])
def test_an_edited_ledger_is_refused(ledgers: Ledgers, tamper) -> None:
    for _ in range(3):
        reserve(ledgers, SMALL)
    path = ledgers.path
    text = path.read_text()
    assert tamper(text) != text
    path.write_text(tamper(text))
    with pytest.raises(chain.ChainError, match=r"line \d of .*restore the file from a backup"):
        reserve(ledgers, SMALL)
    path.write_text(text)
    reserve(ledgers, SMALL)


def test_a_lost_key_is_noticed(ledgers: Ledgers) -> None:
    reserve(ledgers, SMALL)
    key = ledgers.folder / "images.key"
    kept = key.read_bytes()
    for data in (b"", bytes(32)):
        key.write_bytes(data)
        with pytest.raises(LedgerError, match="restore it from a backup"):
            reserve(ledgers, SMALL)
    key.write_bytes(kept)
    reserve(ledgers, SMALL)


def test_the_ledger_alone_names_no_image(ledgers: Ledgers) -> None:
    reserve(ledgers, SMALL)
    text = ledgers.path.read_text()
    assert not any(image.content[:16] in text or image.row[:16] in text for image in DATA.images)
    assert DATA.fingerprint[:16] not in text


CHILD = """
import sys
from pathlib import Path
from trainer.privacy.fingerprint import DataSet, Image
from trainer.privacy.ledger import Budget, LedgerError, Ledgers
from trainer.privacy.spend import Release
ledgers, spend = Ledgers(Path(sys.argv[1])), (Release("steps", float(sys.argv[2]), steps=10),)
data = DataSet("a.csv", "image", 2, (Image("aa", "bb"), Image("cc", "dd")))
print("ready", flush=True)
sys.stdin.readline()
granted = 0
for _ in range(8):
    try:
        ledgers.reserve(data, spend, mode="release", engine="e", budget=Budget(2.0, 1e-5))
        granted += 1
    except LedgerError as error:
        assert "would be spent" in str(error), error
print(granted)
"""


def test_two_processes_at_once_do_not_overspend(ledgers: Ledgers) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
    (half,) = run_of(0.5)
    children = [
        subprocess.Popen(
            [sys.executable, "-c", CHILD, str(ledgers.folder), str(half.noise)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )
        for _ in range(2)
    ]
    assert all(child.stdout.readline() == "ready\n" for child in children)  # type: ignore[union-attr]
    for child in children:
        child.stdin.write("go\n")  # type: ignore[union-attr]
        child.stdin.flush()  # type: ignore[union-attr]
    granted = sum(int(child.communicate(timeout=120)[0]) for child in children)
    assert [child.returncode for child in children] == [0, 0]
    # The first run opens the ledger with its own budget of 2; sixteen runs of 0.5 do not fit.
    assert len(only(ledgers).runs) == granted
    assert 4 < granted < 16
    assert only(ledgers).spent() <= 2.0
    assert only(ledgers).spent((half,)) > 2.0


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    if os.geteuid() != 0:
        pytest.skip("mounting a tiny file system needs root")
    mount = tmp_path / "tiny"
    mount.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", mount], check=False).returncode:
        pytest.skip("this machine does not allow mounts")
    yield mount
    subprocess.run(["umount", mount], check=True)


def test_a_full_disk_refuses_and_breaks_nothing(tiny: Path) -> None:
    ledgers = Ledgers(tiny / "ledgers")
    reserve(ledgers, SMALL)
    before = ledgers.path.read_bytes()
    filler = tiny / "filler"
    with pytest.raises(OSError, match="No space"), filler.open("wb", buffering=0) as file:
        while file.write(bytes(512)):
            pass
    with pytest.raises(chain.ChainError, match=r"No space left.*not on record is not done"):
        for _ in range(20):  # What is left of the last page may still take some.
            before = ledgers.path.read_bytes()
            reserve(ledgers, SMALL)
    assert ledgers.path.read_bytes() == before
    filler.unlink()
    reserve(ledgers, SMALL)


def test_a_directory_that_cannot_be_written_refuses(tiny: Path) -> None:
    reserve(Ledgers(tiny / "ledgers"), SMALL)
    subprocess.run(["mount", "-o", "remount,ro", tiny], check=True)
    for place in (tiny / "ledgers", tiny / "new"):
        with pytest.raises(chain.ChainError, match="Read-only file system"):
            reserve(Ledgers(place), SMALL)


def test_a_line_of_an_unknown_kind_is_refused(ledgers: Ledgers) -> None:
    reserve(ledgers, SMALL)
    chain.append(ledgers.path, chain.read(ledgers.path), {"kind": "other"})
    with pytest.raises(LedgerError, match=r"line 5 of .*ledger\.jsonl is of no kind.*take a newer one"):
        reserve(ledgers, SMALL)


@pytest.mark.parametrize(
    ("form", "said"), [({"format": 3}, "no ledger of format 2"), ({"kind": "open"}, "line 1")]
)
def test_a_file_of_another_form_is_refused(ledgers: Ledgers, form: dict[str, object], said: str) -> None:
    ledgers.folder.mkdir()
    body = {"kind": "begin", "format": 2, "key_check": "", **form}
    chain.append(ledgers.path, chain.read(ledgers.path), body)
    with pytest.raises(LedgerError, match=said):
        reserve(ledgers, SMALL)

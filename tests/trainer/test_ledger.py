"""The ledger: what is spent stays spent, through crashes, power cuts, other indexes and other processes."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trainer import cli
from trainer.evaluation import reads
from trainer.privacy import chain, folder, marker
from trainer.privacy.accounting import epsilon, gaussian_mu
from trainer.privacy.composition import composed
from trainer.privacy.fingerprint import DataSet, FingerprintError, Image, fingerprint
from trainer.privacy.ledger import Account, Budget, LedgerError, Ledgers, Reservation
from trainer.privacy.spend import Release, Spend, SpendError, from_json, to_json

BUDGET = Budget(2.0, 1e-5)


def digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def images(numbers: range, *, name: str = "a.csv", unit: str = "image", relabelled: int = -1) -> DataSet:
    """A data set of numbered images."""
    made = [Image(digest(n), digest(n, unit, "other" if n == relabelled else "label")) for n in numbers]
    return DataSet(name, unit, len(made), tuple(sorted(made, key=lambda image: image.content)))


def run_of(target: float) -> Spend:
    """A run on all images; a little below its target, since the accountant rounds up."""
    return (Release("steps", 1.0002 * math.sqrt(10) / gaussian_mu(target, BUDGET.delta), steps=10),)


TWO, ONE = run_of(2.0), run_of(1.0)
SMALL = (Release("steps", 100.0),)
DATA = images(range(30))


def reserve(
    ledgers: Ledgers, spend: Spend = TWO, data: DataSet = DATA, mode: str = "release", budget: Budget = BUDGET
) -> Reservation:
    return ledgers.reserve(
        data, spend, mode=mode, engine="e", budget=budget, public="" if mode == "release" else "p"
    )  # type: ignore[arg-type]


@pytest.fixture
def ledgers(tmp_path: Path) -> Ledgers:
    return Ledgers(tmp_path / "ledgers")


def only(ledgers: Ledgers) -> Account:
    (account,) = ledgers.accounts()
    return account


def test_the_first_run_opens_a_ledger_with_its_own_budget(ledgers: Ledgers) -> None:
    made = reserve(ledgers)
    assert made.opened
    assert made.account.budget == BUDGET
    assert not made.run.finished
    ledgers.finish(made)
    assert only(ledgers).runs[0].finished
    assert only(ledgers).spent() == pytest.approx(2.0, abs=1e-3)
    assert (ledgers.folder.stat().st_mode | only(ledgers).path.stat().st_mode) & 0o077 == 0


def test_overspending_is_refused_with_what_is_left_and_the_choices(ledgers: Ledgers) -> None:
    reserve(ledgers, ONE)
    with pytest.raises(LedgerError) as refused:
        reserve(ledgers, TWO)
    text = str(refused.value)
    assert "budget is 2 at delta 1e-05" in text
    assert "trainer ledger raise" in text
    left = float(re.search(r"about epsilon (\d\.\d\d)", text)[1])  # type: ignore[index]
    assert 1.5 < left < 1.8  # Gaussian DP: sqrt(.5016^2 - .2656^2) is mu .425
    assert len(only(ledgers).runs) == 1
    reserve(ledgers, run_of(left))
    assert only(ledgers).spent() <= 2.0
    with pytest.raises(LedgerError, match=r"with this run, epsilon 2\.\d+ would be spent"):
        reserve(ledgers, run_of(left))


def test_a_run_that_crashed_counts(ledgers: Ledgers) -> None:
    reserve(ledgers)
    with pytest.raises(LedgerError, match="Nothing is left"):
        reserve(Ledgers(ledgers.folder))


def test_runs_compose_exactly(ledgers: Ledgers) -> None:
    """Trap: two runs of epsilon 2 are 2.95 together, five are 5.0."""
    exact = (run_of(2.0),) * 5
    assert composed(exact[:2], BUDGET.delta) == pytest.approx(2.95, abs=0.01)
    assert composed(exact, BUDGET.delta) == pytest.approx(5.0, abs=0.05)
    ledgers.open(DATA, Budget(2.96, BUDGET.delta))
    for spend in exact[:2]:
        reserve(ledgers, spend)
    assert only(ledgers).spent() == pytest.approx(composed(exact[:2], BUDGET.delta))
    with pytest.raises(LedgerError):
        reserve(ledgers, exact[2])


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (images(range(33)), "3 added, 0 removed, 0 altered"),
        (images(range(28)), "0 added, 2 removed, 0 altered"),
        (images(range(30), relabelled=4), "0 added, 0 removed, 1 altered"),
        (images(range(2, 31), relabelled=5), "1 added, 2 removed, 1 altered"),
    ],
)
def test_a_data_set_that_changed_is_refused(ledgers: Ledgers, data: DataSet, said: str) -> None:
    ledgers.open(DATA, BUDGET)
    with pytest.raises(LedgerError, match=f"has changed since .*{said}"):
        reserve(ledgers, SMALL, data)
    assert only(ledgers).runs == ()
    reserve(ledgers, SMALL)


def test_images_are_known_again_in_any_other_index(ledgers: Ledgers) -> None:
    reserve(ledgers, ONE)
    for other in (images(range(25, 60), name="b.csv"), images(range(30), name="b.csv", unit="patient")):
        with pytest.raises(LedgerError, match=r"of the images are those of ledger .* \(a\.csv\)"):
            reserve(ledgers, SMALL, other)
    renamed = images(range(30), name="renamed.csv")
    assert reserve(ledgers, SMALL, renamed).account.id == only(ledgers).id
    reserve(ledgers, TWO, images(range(30, 60), name="b.csv"))


def test_a_new_ledger_takes_over_what_was_spent(ledgers: Ledgers) -> None:
    reserve(ledgers, ONE)
    reserve(ledgers, SMALL, images(range(40, 50), name="b.csv"))
    grown = images(range(45))
    made = ledgers.open(grown, BUDGET)
    assert made.spent() == pytest.approx(composed((ONE, SMALL), BUDGET.delta))
    assert all(run.taken_over for run in made.runs)
    with pytest.raises(LedgerError, match="taken over by"):
        reserve(ledgers, SMALL)
    with pytest.raises(LedgerError, match="would be spent"):
        reserve(ledgers, TWO, grown)
    reserve(ledgers, SMALL, grown)
    with pytest.raises(LedgerError, match="has a ledger"):
        ledgers.open(grown, Budget(9.0, 1e-5))


def test_images_of_a_ledger_that_was_taken_over_in_part_stay_known(ledgers: Ledgers) -> None:
    reserve(ledgers, ONE, images(range(20), name="a"))
    ledgers.open(images(range(10), name="half"), BUDGET)
    with pytest.raises(LedgerError, match="those of ledger"):
        reserve(ledgers, SMALL, images(range(10, 20), name="other half"))


def test_units_do_not_mix(ledgers: Ledgers) -> None:
    reserve(ledgers, ONE)
    with pytest.raises(LedgerError, match="--unit image"):
        ledgers.open(images(range(40), unit="patient"), BUDGET)


def test_research_is_counted_and_not_limited(ledgers: Ledgers) -> None:
    for _ in range(3):
        made = reserve(ledgers, TWO, mode="research")
    assert made.account.budget is None
    part = reserve(ledgers, TWO, images(range(10), name="fold"), mode="research")
    assert part.account.id == made.account.id, "a part of a benchmark is charged to the whole"
    released = reserve(ledgers, TWO)
    assert released.account.budget == BUDGET
    assert released.account.spent() == pytest.approx(2.0, abs=1e-3)
    assert len(released.research) == 4
    with pytest.raises(LedgerError, match="Nothing is left"):
        reserve(ledgers, TWO)
    reserve(ledgers, TWO, mode="research")


def test_research_elsewhere_on_the_same_images_is_told(ledgers: Ledgers) -> None:
    reserve(ledgers, TWO, images(range(20, 60), name="all sets"), mode="research")
    assert len(reserve(ledgers, TWO).research) == 1


def test_a_raise_needs_a_reason_and_stays_on_record(ledgers: Ledgers) -> None:
    account = reserve(ledgers).account
    for budget, reason, said in (
        (Budget(3.0, 1e-5), " ", "reason"),
        (Budget(1.0, 1e-5), "why", "above 2"),
        (Budget(3.0, 1e-4), "why", "same delta"),
    ):
        with pytest.raises(LedgerError, match=said):
            ledgers.raise_budget(account.id, budget, reason)
    with pytest.raises(LedgerError, match="no ledger"):
        ledgers.raise_budget("0", Budget(3.0, 1e-5), "why")
    raised = ledgers.raise_budget(account.id, Budget(3.0, 1e-5), "the board agreed")
    assert raised.raised == ("the board agreed",)
    reserve(ledgers)
    assert only(ledgers).spent() == pytest.approx(2.95, abs=0.02)


@pytest.mark.parametrize(
    "bad", [(0.0, 1e-5), (-1.0, 1e-5), (float("inf"), 1e-5), (float("nan"), 1e-5), (2.0, 0.0)]
)
def test_a_senseless_budget_is_refused(bad: tuple[float, float]) -> None:
    with pytest.raises(LedgerError, match="no budget: expected"):
        Budget(*bad)


def test_a_run_without_noise_is_refused(ledgers: Ledgers) -> None:
    with pytest.raises(LedgerError, match="noise"):
        reserve(ledgers, (Release("steps", 0.0),))
    assert ledgers.accounts() == []


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(min_value=0, max_value=400))
def test_a_line_torn_by_a_power_cut_takes_nothing_with_it(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    folder = tmp_path_factory.mktemp("torn")
    ledgers = Ledgers(folder)
    reserve(ledgers, SMALL)
    path = only(ledgers).path
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
    path = only(ledgers).path
    with path.open("ab") as file:
        file.write(bytes(5000))  # longer than the line that comes next
    reserve(ledgers, SMALL)
    assert len(only(ledgers).runs) == 2
    assert "torn_bytes_cut_before" in path.read_text()
    assert b"\0" not in path.read_bytes()
    path.write_bytes(path.read_bytes()[:50])
    assert ledgers.accounts() == []
    assert reserve(ledgers, SMALL).opened


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
    path = only(ledgers).path
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
    text = only(ledgers).path.read_text()
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
    before = only(ledgers).path.read_bytes()
    filler = tiny / "filler"
    with pytest.raises(OSError, match="No space"), filler.open("wb", buffering=0) as file:
        while file.write(bytes(512)):
            pass
    with pytest.raises(chain.ChainError, match=r"No space left.*not on record is not done"):
        for _ in range(20):  # What is left of the last page may still take some.
            before = only(ledgers).path.read_bytes()
            reserve(ledgers, SMALL)
    assert only(ledgers).path.read_bytes() == before
    filler.unlink()
    reserve(ledgers, SMALL)


def test_a_directory_that_cannot_be_written_refuses(tiny: Path) -> None:
    reserve(Ledgers(tiny / "ledgers"), SMALL)
    subprocess.run(["mount", "-o", "remount,ro", tiny], check=True)
    for place in (tiny / "ledgers", tiny / "new"):
        with pytest.raises(chain.ChainError, match="Read-only file system"):
            reserve(Ledgers(place), SMALL)


def test_a_foreign_file_is_named(ledgers: Ledgers) -> None:
    reserve(ledgers, SMALL)
    path = ledgers.folder / "x.jsonl"
    chain.append(path, chain.read(path), {"kind": "other"})
    with pytest.raises(LedgerError, match=r"x\.jsonl is no ledger"):
        reserve(ledgers, SMALL)


def test_show_is_a_readable_table(ledgers: Ledgers, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["ledger", "show", "--ledger", str(ledgers.folder)]) == 0
    assert "no ledger in" in capsys.readouterr().out
    ledgers.finish(reserve(ledgers, ONE))
    reserve(ledgers, SMALL)
    reserve(ledgers, TWO, mode="research")
    ledgers.raise_budget(only(ledgers).id, Budget(3.0, 1e-5), "the board agreed")
    assert cli.main(["ledger", "show", "--ledger", str(ledgers.folder)]) == 0
    out = capsys.readouterr().out
    for said in (
        "finished",
        "not finished, counted",
        "research (p)",
        "1.000",
        "budget epsilon 3",
        "the board",
    ):
        assert said in out
    together = f"{composed((ONE, SMALL), 1e-5):.3f}"
    assert together in out
    assert f"spent by releases {together}" in out


def test_releases_survive_json() -> None:
    spend = (Release("means", 10.0), Release("steps", 7.310927290144875, 0.25, 200))
    assert from_json(json.loads(json.dumps(to_json(spend)))) == spend
    with pytest.raises(SpendError, match="no list of releases"):
        from_json([{"what": "x"}])
    assert epsilon(spend, 1e-5) < 2.0


def test_a_copy_of_an_image_is_refused(tmp_path: Path) -> None:
    from trainer.data.record import Record

    files = [tmp_path / f"{n}.png" for n in range(3)]
    for number, file in enumerate(files):
        file.write_bytes(bytes([number // 2]))
    records = [Record(file, "a", "MRI", "train", "g", "", "") for file in files]
    with pytest.raises(FingerprintError, match="1 images are there more than once"):
        fingerprint("x", records, "image", ["0", "1", "2"])
    with pytest.raises(FingerprintError):
        fingerprint("x", records, "patient", ["p", "q", "q"])
    assert fingerprint("x", records, "patient", ["p", "p", "q"]).count == 2


# Another directory of ledgers.


def test_another_directory_on_the_same_index_is_refused_or_put_on_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(marker, "beside", lambda path: path.with_name(path.name + ".ledger"))
    index = tmp_path / "index.csv"
    first, second = Ledgers(tmp_path / "first"), Ledgers(tmp_path / "second")

    def run(ledgers: Ledgers, another: str = "", at: Path = index) -> Reservation:
        how = {"mode": "release", "engine": "e", "budget": BUDGET}
        return ledgers.reserve(DATA, ONE, **how, index=marker.Index(at, another))  # type: ignore[arg-type]

    account = run(first).account
    assert "is a new directory of ledgers" in capsys.readouterr().err
    note = json.loads((tmp_path / "index.csv.ledger").read_text())
    assert note["ledgers"] == [account.id]
    assert account.path.read_text().count(note["key_check"]) == 1
    run(first)
    assert not capsys.readouterr().err
    with pytest.raises(LedgerError, match=rf"charged to ledger {account.id} in .*first.*--another-ledger"):
        run(second)
    with pytest.raises(LedgerError, match="--another-ledger"):
        second.open(DATA, BUDGET, marker.Index(index))
    assert not list(second.folder.glob("images.key"))
    made = run(second, "the disk with the first one is gone").account
    assert made.elsewhere == ("the disk with the first one is gone",)
    assert account.id in made.path.read_text()
    grown = second.open(images(range(40)), BUDGET)
    assert grown.elsewhere == made.elsewhere, "a ledger that takes over keeps it"
    (tmp_path / "index.csv.ledger").write_text("{")
    with pytest.raises(LedgerError, match="is damaged"):
        run(first)
    run(Ledgers(tmp_path / "third"), at=tmp_path / "no folder" / "index.csv")
    assert "index.csv.ledger cannot be written" in capsys.readouterr().err


def test_the_default_directory_is_the_sites_where_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EDGE_LEDGER")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(folder, "SITE", tmp_path / "site")
    assert folder.default_folder() == reads.directory() == tmp_path / "state" / "edge-trainer" / "ledgers"
    (tmp_path / "site").mkdir()
    assert folder.default_folder() == reads.directory() == tmp_path / "site"
    monkeypatch.setenv("EDGE_LEDGER", str(tmp_path / "own"))
    assert folder.default_folder() == reads.directory() == tmp_path / "own"


# Runs that were chosen after seeing the last.

SAMPLED = (Release("steps", 1.79, 0.1, 20),)


def test_sampled_runs_add_up_at_parts_of_delta() -> None:
    """No theorem lets privacy loss distributions of sampled, adaptively chosen runs be summed."""
    delta = BUDGET.delta
    assert composed((SAMPLED,), delta) == epsilon(SAMPLED, delta)
    two = composed((SAMPLED, SAMPLED), delta)
    assert two == pytest.approx(epsilon(SAMPLED, delta / 2) + epsilon(SAMPLED, delta / 6))
    assert two > epsilon(SAMPLED * 2, delta)
    # A sequence that began with full batches may go on with either: what is left of delta is for the other.
    mixed = composed((ONE, SAMPLED), delta)
    assert mixed >= epsilon(ONE, delta / 2) + epsilon(SAMPLED, delta / 6)
    assert mixed > epsilon((*ONE, *SAMPLED), delta)
    # Full batches alone cost what they cost: 1 % of delta is kept back.
    assert composed((ONE, ONE), delta) == pytest.approx(epsilon(ONE * 2, delta), rel=2e-3)
    assert composed((ONE, ONE), delta) >= epsilon(ONE * 2, delta)


def test_what_is_left_fits_whatever_was_run(ledgers: Ledgers) -> None:
    ledgers.open(DATA, Budget(4.0, BUDGET.delta))
    alone = epsilon(SAMPLED, BUDGET.delta)
    reserve(ledgers, SAMPLED)
    assert only(ledgers).spent() == alone
    left = only(ledgers).left()
    assert 0 < left < 4.0 - alone
    reserve(ledgers, run_of(0.98 * left))
    with pytest.raises(LedgerError, match="would be spent"):
        reserve(ledgers, SAMPLED)

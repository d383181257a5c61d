"""The ledger: what is spent stays spent, through crashes, power cuts, other indexes and other processes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from ledger_data import BUDGET, DATA, ONE, SMALL, TWO, images, only, reserve, run_of

from trainer import cli
from trainer.privacy import folder, marker
from trainer.privacy.accounting import epsilon
from trainer.privacy.composition import composed
from trainer.privacy.fingerprint import DataSet, FingerprintError, fingerprint
from trainer.privacy.ledger import Budget, LedgerError, Ledgers, Reservation
from trainer.privacy.spend import Release, SpendError, from_json, to_json


@pytest.fixture
def ledgers(tmp_path: Path) -> Ledgers:
    return Ledgers(tmp_path / "ledgers")


def test_the_first_run_opens_a_ledger_with_its_own_budget(ledgers: Ledgers) -> None:
    made = reserve(ledgers)
    assert made.opened
    assert made.account.budget == BUDGET
    assert not made.run.finished
    ledgers.finish(made)
    assert only(ledgers).runs[0].finished
    assert only(ledgers).spent() == pytest.approx(2.0, abs=1e-3)
    assert (ledgers.folder.stat().st_mode | ledgers.path.stat().st_mode) & 0o077 == 0


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


def test_a_new_ledger_counts_what_was_spent(ledgers: Ledgers) -> None:
    reserve(ledgers, ONE)
    reserve(ledgers, SMALL, images(range(40, 50), name="b.csv"))
    grown = images(range(45))
    made = ledgers.open(grown, BUDGET)
    assert made.spent() == pytest.approx(composed((ONE, SMALL), BUDGET.delta))
    with pytest.raises(LedgerError, match="would be spent"):
        reserve(ledgers, TWO, grown)
    reserve(ledgers, SMALL, grown)
    with pytest.raises(LedgerError, match="has a ledger"):
        ledgers.open(grown, Budget(9.0, 1e-5))


def test_images_that_were_left_out_stay_known(ledgers: Ledgers) -> None:
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
    assert first.path.read_text().count(note["key_check"]) == 1
    run(first)
    assert not capsys.readouterr().err
    with pytest.raises(LedgerError, match=rf"charged to ledger {account.id} in .*first.*--another-ledger"):
        run(second)
    with pytest.raises(LedgerError, match="--another-ledger"):
        second.open(DATA, BUDGET, marker.Index(index))
    assert not list(second.folder.glob("images.key"))
    made = run(second, "the disk with the first one is gone").account
    assert made.elsewhere == ("the disk with the first one is gone",)
    assert account.id in second.path.read_text()
    grown = second.open(images(range(40)), BUDGET)
    assert grown.elsewhere == made.elsewhere, "it is told of all data sets that share an image"
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
    assert folder.default_folder() == tmp_path / "state" / "edge-trainer" / "ledgers"
    (tmp_path / "site").mkdir()
    assert folder.default_folder() == tmp_path / "site"
    monkeypatch.setenv("EDGE_LEDGER", str(tmp_path / "own"))
    assert folder.default_folder() == tmp_path / "own"


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

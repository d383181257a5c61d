"""A release that was made outside of the ledger is put on record, and counts from then on."""

from __future__ import annotations

from pathlib import Path

import pytest
from ledger_data import BUDGET, DATA, ONE, SMALL, TWO, images, only, reserve, run_of

from trainer import cli
from trainer.privacy.accounting import epsilon
from trainer.privacy.composition import GAUSSIAN_SHARE, composed
from trainer.privacy.ledger import Budget, LedgerError, Ledgers
from trainer.privacy.spend import Release

SAMPLED = (Release("steps", 1.79, 0.1, 20),)
WHAT = "the pilot of 2023"


@pytest.fixture
def ledgers(tmp_path: Path) -> Ledgers:
    return Ledgers(tmp_path / "ledgers")


def test_it_composes_as_a_run_of_the_ledger(ledgers: Ledgers) -> None:
    account = reserve(ledgers, ONE).account
    recorded, run = ledgers.record(account.id, run_of(1.5), WHAT)
    assert recorded.spent() == pytest.approx(composed((ONE, run_of(1.5)), BUDGET.delta))
    assert run.recorded == WHAT
    assert run.epsilon == pytest.approx(1.5, abs=1e-2)
    left = recorded.left()
    assert 0 < left < 1
    with pytest.raises(LedgerError, match=r"2 release runs spent"):
        reserve(ledgers, run_of(left + 0.1))
    assert len(reserve(ledgers, run_of(0.98 * left)).account.of("release")) == 3


def test_it_may_pass_the_budget_and_raises_none(ledgers: Ledgers) -> None:
    account = reserve(ledgers, TWO).account
    recorded, _ = ledgers.record(account.id, TWO, WHAT)
    assert recorded.spent() == pytest.approx(2.95, abs=0.02)
    assert recorded.left() == 0
    assert recorded.budget == BUDGET
    assert recorded.raised == ()
    with pytest.raises(LedgerError, match="Nothing is left"):
        reserve(ledgers, SMALL)


def test_the_rule_holds_wherever_it_stood(ledgers: Ledgers) -> None:
    """Sampled runs after one on all units have 1 % of delta: also if that one is known only afterwards."""
    account = reserve(ledgers, SAMPLED).account
    spent = ledgers.record(account.id, ONE, WHAT)[0].spent()
    rest = (1 - GAUSSIAN_SHARE) * BUDGET.delta
    assert spent == pytest.approx(epsilon(SAMPLED, rest / 2) + epsilon(ONE, rest / 6))
    assert spent > composed((SAMPLED, ONE), BUDGET.delta)


def test_what_is_left_follows_the_same_rule(ledgers: Ledgers) -> None:
    ledgers.open(DATA, Budget(9.0, BUDGET.delta))
    reserve(ledgers, SAMPLED)
    reserve(ledgers, ONE)
    other = Ledgers(ledgers.folder.parent / "other")
    other.open(DATA, Budget(9.0, BUDGET.delta))
    account = reserve(other, SAMPLED).account
    assert 0 < other.record(account.id, ONE, WHAT)[0].left() < only(ledgers).left() - 0.1


def test_every_ledger_of_the_images_counts_it_once(ledgers: Ledgers) -> None:
    account = reserve(ledgers, SMALL).account
    grown = ledgers.open(images(range(31)), Budget(2.0, 1e-5))
    ledgers.record(account.id, ONE, WHAT)
    assert {len(each.of("release")) for each in ledgers.accounts()} == {2}
    reserve(ledgers, SMALL, images(range(31)))
    again = ledgers.open(images(range(32)), BUDGET)
    assert [run.recorded for run in again.of("release")].count(WHAT) == 1
    assert again.spent() == pytest.approx(
        next(each for each in ledgers.accounts() if each.id == grown.id).spent()
    )


def test_what_cannot_be_recorded_is_refused(ledgers: Ledgers) -> None:
    account = reserve(ledgers, SMALL).account
    with pytest.raises(LedgerError, match="no ledger '0'"):
        ledgers.record("0", ONE, WHAT)
    with pytest.raises(LedgerError, match="--reason"):
        ledgers.record(account.id, ONE, " ")
    with pytest.raises(LedgerError, match="without noise"):
        ledgers.record(account.id, (Release("x", 0.0),), WHAT)
    research = reserve(ledgers, SMALL, images(range(50, 60), name="b"), mode="research").account
    with pytest.raises(LedgerError, match=r"no budget yet.*trainer ledger open"):
        ledgers.record(research.id, ONE, WHAT)
    assert [len(each.runs) for each in ledgers.accounts()] == [1, 1]


def test_the_command(ledgers: Ledgers, capsys: pytest.CaptureFixture[str]) -> None:
    account = reserve(ledgers, ONE).account
    words = ["ledger", "record", account.id, "--ledger", str(ledgers.folder), "--reason", WHAT]
    assert cli.main([*words, "--release", "20:1:1", "--release", "3.6:0.1:300"]) == 0
    assert "is on record, epsilon 2." in capsys.readouterr().out
    (run,) = [run for run in only(ledgers).of("release") if run.recorded]
    assert [(each.noise, each.sampling_rate, each.steps) for each in run.spend] == [
        (20.0, 1.0, 1),
        (3.6, 0.1, 300),
    ]
    assert cli.main(["ledger", "show", "--ledger", str(ledgers.folder)]) == 0
    out = capsys.readouterr().out
    assert f"recorded afterwards: {WHAT}" in out
    assert "left: one run of about 0.000" in out
    for bad, said in (("3.6:0.1", "expected NOISE:RATE:STEPS"), ("3.6:2:1", "0 < sampling rate <= 1")):
        with pytest.raises(SystemExit):
            cli.main([*words, "--release", bad])
        assert said in capsys.readouterr().err

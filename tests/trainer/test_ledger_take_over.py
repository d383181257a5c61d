"""A data set that changed: its new ledger takes over what was spent, what was promised, and why more was."""

from __future__ import annotations

from pathlib import Path

import pytest
from ledger_data import BUDGET, DATA, ONE, SMALL, TWO, images, only, reserve

from trainer import cli
from trainer.privacy import marker
from trainer.privacy.ledger import Budget, LedgerError, Ledgers

GROWN = images(range(31))
THREE = Budget(3.0, 1e-5)
LESS = Budget(1.0, 1e-5)


@pytest.fixture
def ledgers(tmp_path: Path) -> Ledgers:
    return Ledgers(tmp_path / "ledgers")


def test_a_raise_and_its_reason_are_taken_over(ledgers: Ledgers) -> None:
    ledgers.raise_budget(reserve(ledgers).account.id, THREE, "the board agreed")
    grown = ledgers.open(GROWN, THREE)
    assert grown.raised == ("the board agreed",)
    assert grown.budget == THREE
    again = ledgers.open(images(range(32)), BUDGET)
    assert again.raised == ("the board agreed",), "handed on twice, told once"
    assert again.budget == BUDGET


@pytest.mark.parametrize("budget", [Budget(50.0, 1e-5), Budget(2.0, 1e-4), Budget(1.0, 1e-6)])
def test_more_than_before_needs_a_reason_and_is_a_raise(ledgers: Ledgers, budget: Budget) -> None:
    old = reserve(ledgers).account
    for reason in ("", " "):
        with pytest.raises(LedgerError, match=rf"ledger {old.id}.*--epsilon 2 --delta 1e-05.*--reason"):
            ledgers.open(GROWN, budget, reason=reason)
    assert len(ledgers.accounts()) == 1
    grown = ledgers.open(GROWN, budget, reason="a second network")
    assert grown.budget == budget
    assert grown.raised == ("a second network",)
    later = ledgers.open(images(range(33)), budget)
    assert later.raised == ("a second network",)


def test_the_least_that_was_promised_decides(ledgers: Ledgers) -> None:
    reserve(ledgers, ONE)
    ledgers.open(images(range(100, 110), name="b.csv"), THREE)
    both = images(range(5, 105))
    with pytest.raises(LedgerError, match="budget of epsilon 2"):
        ledgers.open(both, THREE)
    assert ledgers.open(both, BUDGET).raised == ()


def test_a_budget_without_a_run_binds_too(ledgers: Ledgers) -> None:
    ledgers.open(DATA, BUDGET)
    with pytest.raises(LedgerError, match="--reason"):
        ledgers.open(GROWN, THREE)
    with pytest.raises(LedgerError, match="leave it out"):
        ledgers.open(GROWN, BUDGET, reason="no need")
    ledgers.open(GROWN, BUDGET)


def test_the_reason_for_another_directory_is_taken_over_from_an_opening(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(marker, "beside", lambda path: path.with_name(path.name + ".ledger"))
    index = tmp_path / "index.csv"
    Ledgers(tmp_path / "first").open(DATA, BUDGET, marker.Index(index))
    second = Ledgers(tmp_path / "second")
    opened = second.open(DATA, BUDGET, marker.Index(index, "the disk is gone"))
    assert opened.elsewhere == ("the disk is gone",)
    for count in (31, 32):
        assert second.open(images(range(count)), BUDGET).elsewhere == ("the disk is gone",)


def test_the_command_takes_a_reason(index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def opened(path: Path, epsilon: int, *more: str) -> int:
        words = f"ledger open {path} --epsilon {epsilon} --delta 1e-3 --ledger {tmp_path}/ledgers".split()
        return cli.main([*words, "--unit", "image", *more])

    assert opened(index, 2) == 0
    first, *rows = index.read_text().splitlines(keepends=True)
    fewer = index.with_name("fewer.csv")
    fewer.write_text("".join([first, *rows[1:]]))
    assert opened(fewer, 50) == 2
    assert "say why with --reason" in capsys.readouterr().err
    assert opened(fewer, 50, "--reason", "the board agreed") == 0
    assert cli.main(["ledger", "show", "--ledger", str(tmp_path / "ledgers")]) == 0
    assert "budget raised: the board agreed" in capsys.readouterr().out


# A data set that research alone has touched before.


def test_a_ledger_of_research_alone_takes_over_and_gets_its_budget(ledgers: Ledgers) -> None:
    first = ledgers.raise_budget(reserve(ledgers, ONE).account.id, THREE, "the board agreed")
    reserve(ledgers, ONE, GROWN, mode="research")
    with pytest.raises(LedgerError, match=r"trainer ledger open: it takes over what was spent"):
        reserve(ledgers, ONE, GROWN)
    grown = ledgers.open(GROWN, BUDGET)
    assert (grown.budget, grown.raised) == (BUDGET, ("the board agreed",))
    assert [run.mode for run in grown.runs] == ["research", "release"]
    spent = reserve(ledgers, SMALL, GROWN).account
    assert spent.id == grown.id
    assert spent.spent() > first.spent(), "the earlier release and this one"
    with pytest.raises(LedgerError, match=f"taken over by {grown.id}"):
        reserve(ledgers, SMALL)
    again = ledgers.open(images(range(32)), BUDGET)
    assert again.raised == ("the board agreed",)
    assert again.spent() == spent.spent()
    with pytest.raises(LedgerError, match=f"ledger with a budget, {again.id}"):
        ledgers.open(images(range(32)), BUDGET)


def test_research_first_is_no_way_around_a_promise(ledgers: Ledgers) -> None:
    ledgers.open(DATA, LESS)
    reserve(ledgers, ONE, GROWN, mode="research")
    with pytest.raises(LedgerError, match="the data set has changed"):
        reserve(ledgers, TWO, GROWN)
    with pytest.raises(LedgerError, match="budget of epsilon 1 "):
        ledgers.open(GROWN, BUDGET)
    ledgers.open(GROWN, LESS)
    with pytest.raises(LedgerError, match="the budget is 1 at delta"):
        reserve(ledgers, TWO, GROWN)


def test_what_both_have_on_record_is_counted_once(ledgers: Ledgers) -> None:
    first = ledgers.open(DATA, BUDGET)
    reserve(ledgers, ONE, GROWN, mode="research")
    recorded = ledgers.record(first.id, ONE, "a model of last year")
    grown = ledgers.open(GROWN, BUDGET)
    assert [run.recorded for run in grown.of("release")] == ["a model of last year"]
    assert grown.spent() == recorded.spent()


# Another unit of privacy.


def test_another_unit_is_told_at_once_and_what_can_be_done(ledgers: Ledgers) -> None:
    reserve(ledgers, ONE)
    per_patient = images(range(40), unit="patient")
    for refused in (
        lambda: reserve(ledgers, SMALL, per_patient),
        lambda: ledgers.open(per_patient, BUDGET),
    ):
        with pytest.raises(LedgerError) as error:
            refused()
        text = str(error.value)
        assert "A ledger per image cannot hold a run per patient on the same images" in text
        assert "train with --unit image; or leave out the images" in text
        assert "altered" not in text
        assert "ledger open" not in text
    reserve(ledgers, SMALL)


def test_another_unit_is_open_where_nothing_was_spent(ledgers: Ledgers) -> None:
    ledgers.open(DATA, BUDGET)
    per_patient = images(range(30), unit="patient")
    with pytest.raises(LedgerError, match=r"Nothing was spent there yet.*ledger open --unit patient"):
        reserve(ledgers, SMALL, per_patient)
    ledgers.open(per_patient, Budget(5.0, 1e-4))
    assert reserve(ledgers, SMALL, per_patient).account.unit == "patient"


# What an earlier trainer wrote.


def test_a_ledger_without_the_new_fields_is_read(ledgers: Ledgers) -> None:
    from trainer.privacy import chain

    reserve(ledgers, ONE)
    account = only(ledgers)
    bodies = [line.body for line in account.chain.lines]
    for name in ("raises", "other_ledgers"):
        del bodies[0][name]
    account.path.unlink()
    for body in bodies:
        chain.append(account.path, chain.read(account.path), body)
    assert only(ledgers).raised == only(ledgers).elsewhere == ()
    assert only(ledgers).spent() == account.spent()
    assert ledgers.open(GROWN, BUDGET).spent() == account.spent()

"""Data sets that share images: a run counts for every one of them, and fits into the budget of each."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_data import BUDGET, DATA, ONE, SMALL, TWO, images, reserve, run_of

from trainer import cli
from trainer.privacy import marker
from trainer.privacy.composition import composed
from trainer.privacy.ledger import Budget, LedgerError, Ledgers
from trainer.privacy.spend import Release, Spend

GROWN = images(range(31))
THREE = Budget(3.0, 1e-5)
LESS = Budget(1.0, 1e-5)
SAMPLED = (Release("steps", 1.79, 0.1, 20),)


@pytest.fixture
def ledgers(tmp_path: Path) -> Ledgers:
    return Ledgers(tmp_path / "ledgers")


def test_a_raise_and_its_reason_are_told_of_all_that_share_images(ledgers: Ledgers) -> None:
    ledgers.raise_budget(reserve(ledgers).account.id, THREE, "the board agreed")
    grown = ledgers.open(GROWN, THREE)
    assert grown.raised == ("the board agreed",)
    assert grown.budget == THREE
    again = ledgers.open(images(range(32)), BUDGET)
    assert again.raised == ("the board agreed",), "told once"
    assert again.budget == BUDGET
    assert ledgers.open(images(range(50, 60), name="b"), BUDGET).raised == ()


def test_more_than_before_needs_a_reason_and_raises_the_others_too(ledgers: Ledgers) -> None:
    old = reserve(ledgers).account
    for reason in ("", " "):
        with pytest.raises(LedgerError, match=rf"ledger {old.id}.*--epsilon 2, or less.*--reason"):
            ledgers.open(GROWN, Budget(50.0, 1e-6), reason=reason)
    assert len(ledgers.accounts()) == 1
    grown = ledgers.open(GROWN, Budget(50.0, 1e-6), reason="a second network")
    assert grown.budget == Budget(50.0, 1e-6)
    assert grown.raised == ("a second network",)
    assert ledgers.accounts()[0].budget == Budget(50.0, 1e-5), "its delta stays"
    assert ledgers.open(images(range(33)), Budget(50.0, 1e-6)).raised == ("a second network",)


def test_another_delta_loosens_nothing(ledgers: Ledgers) -> None:
    reserve(ledgers, ONE)
    ledgers.open(GROWN, Budget(2.0, 1e-3))
    with pytest.raises(LedgerError, match="its budget is 2 at delta 1e-05"):
        reserve(ledgers, TWO, GROWN)


def test_the_least_that_was_promised_decides(ledgers: Ledgers) -> None:
    reserve(ledgers, ONE)
    ledgers.open(images(range(100, 110), name="b.csv"), THREE)
    both = images(range(5, 105))
    with pytest.raises(LedgerError, match="budget of epsilon 2"):
        ledgers.open(both, THREE)
    assert ledgers.open(both, BUDGET).raised == ()
    with pytest.raises(LedgerError, match=r"epsilon 2\.303 would be spent"):
        reserve(ledgers, TWO, both)
    reserve(ledgers, run_of(1.5), both)


def test_a_budget_without_a_run_binds_too(ledgers: Ledgers) -> None:
    ledgers.open(DATA, BUDGET)
    with pytest.raises(LedgerError, match="--reason"):
        ledgers.open(GROWN, THREE)
    with pytest.raises(LedgerError, match="leave it out"):
        ledgers.open(GROWN, BUDGET, reason="no need")
    ledgers.open(GROWN, BUDGET)


def test_a_raise_reaches_all_that_share_images(ledgers: Ledgers) -> None:
    reserve(ledgers)
    grown = ledgers.open(GROWN, BUDGET)
    with pytest.raises(LedgerError, match="Nothing is left"):
        reserve(ledgers, ONE, GROWN)
    ledgers.raise_budget(grown.id, THREE, "the board agreed")
    reserve(ledgers, ONE, GROWN)
    assert {each.budget for each in ledgers.accounts()} == {THREE}
    assert all(each.raised == ("the board agreed",) for each in ledgers.accounts())


def test_the_reason_for_another_directory_is_told_of_all_that_share_images(
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


def test_lines_that_were_cut_off_are_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marker, "beside", lambda path: path.with_name(path.name + ".ledger"))
    index, ledgers = marker.Index(tmp_path / "index.csv"), Ledgers(tmp_path / "ledgers")

    def run(how: marker.Index = index) -> tuple[str, ...]:
        made = ledgers.reserve(DATA, SMALL, mode="release", engine="e", budget=BUDGET, index=how)
        return made.account.elsewhere

    run()
    backup = ledgers.path.read_bytes()
    run()
    ledgers.path.write_bytes(backup)
    with pytest.raises(LedgerError, match=r"have lost what runs.*--another-ledger"):
        run()
    assert run(marker.Index(index.path, "the disk broke")) == ("the disk broke",)
    run()


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


def test_a_ledger_of_research_alone_is_given_its_budget(ledgers: Ledgers) -> None:
    ledgers.raise_budget(reserve(ledgers, ONE).account.id, THREE, "the board agreed")
    research = reserve(ledgers, ONE, GROWN, mode="research").account
    with pytest.raises(LedgerError, match=r"trainer ledger open: everything that was spent"):
        reserve(ledgers, ONE, GROWN)
    with pytest.raises(LedgerError, match=r"no budget yet.*trainer ledger open"):
        ledgers.raise_budget(research.id, THREE, "why not")
    grown = ledgers.open(GROWN, BUDGET)
    assert grown.id == research.id
    assert (grown.budget, grown.raised) == (BUDGET, ("the board agreed",))
    assert [run.mode for run in grown.runs] == ["release", "research"]
    spent = reserve(ledgers, SMALL, GROWN).account.spent()
    assert spent == pytest.approx(composed((ONE, SMALL), BUDGET.delta))
    with pytest.raises(LedgerError, match=f"ledger with a budget, {grown.id}"):
        ledgers.open(GROWN, BUDGET)


def test_research_first_is_no_way_around_a_promise(ledgers: Ledgers) -> None:
    ledgers.open(DATA, LESS)
    reserve(ledgers, ONE, GROWN, mode="research")
    with pytest.raises(LedgerError, match="the data set has changed"):
        reserve(ledgers, TWO, GROWN)
    with pytest.raises(LedgerError, match="budget of epsilon 1"):
        ledgers.open(GROWN, BUDGET)
    ledgers.open(GROWN, LESS)
    with pytest.raises(LedgerError, match="budget is 1 at delta"):
        reserve(ledgers, TWO, GROWN)


def test_research_without_privacy_is_counted(ledgers: Ledgers) -> None:
    made = reserve(ledgers, (), mode="research")
    assert made.run.epsilon == float("inf")
    assert len(reserve(ledgers, TWO).research) == 1
    with pytest.raises(LedgerError, match="without noise"):
        reserve(ledgers, ())


# Whatever the order, every image is charged all that saw it.

RUNS = {"full": ONE, "sampled": SAMPLED, "small": SMALL}


def test_the_order_is_the_one_on_record_wherever_a_run_was_charged(ledgers: Ledgers) -> None:
    """A first run on all units leaves later sampled ones a smaller part of delta, in every ledger."""
    high = Budget(9.0, 1e-5)
    first = ledgers.open(DATA, high)
    reserve(ledgers, ONE, DATA)
    reserve(ledgers, ONE, GROWN, mode="research")
    account, _ = ledgers.record(first.id, SAMPLED, "last year")
    grown = ledgers.open(GROWN, high)
    assert grown.spent() == account.spent() == composed((ONE, SAMPLED), 1e-5, (SAMPLED,))


@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([(0, 20), (10, 30), (0, 30), (25, 40)]),
            st.sampled_from(sorted(RUNS)),
            st.sampled_from(["release", "research", "record"]),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_no_image_is_charged_more_than_any_of_its_budgets(
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[tuple[tuple[int, int], str, str]],
) -> None:
    ledgers = Ledgers(tmp_path_factory.mktemp("walk"))
    made: list[tuple[range, Spend]] = []
    recorded = False
    for (start, end), kind, how in steps:
        data = images(range(start, end), name="x")
        try:
            account = ledgers.open(data, BUDGET)
        except LedgerError:  # it has its ledger
            account = next(each for each in ledgers.accounts() if set(each.images) == _keyed(ledgers, data))
        try:
            if how == "record":
                ledgers.record(account.id, RUNS[kind], "made elsewhere")
                recorded = True
            else:
                reserve(ledgers, RUNS[kind], data, mode=how)
        except LedgerError:
            continue
        if how != "research":
            made.append((range(start, end), RUNS[kind]))
    for account in ledgers.accounts():
        assert recorded or account.spent() <= 2.0 * (1 + 1e-9)
    for image in range(40):
        seen = tuple(spend for span, spend in made if image in span)
        for account in ledgers.accounts():
            if _keyed(ledgers, images(range(image, image + 1))) <= set(account.images):
                assert account.spent() >= composed(seen, 1e-5) - 1e-9


def _keyed(ledgers: Ledgers, data) -> set[str]:  # type: ignore[no-untyped-def]
    return set(data.keyed((ledgers.folder / "images.key").read_bytes()))


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
        assert "What is spent per image and per patient on the same images cannot be added up" in text
        assert "train with --unit image; or leave out the images" in text
        assert "altered" not in text
        assert "ledger open" not in text
    reserve(ledgers, SMALL)


def test_a_promise_per_image_binds_runs_per_patient(ledgers: Ledgers) -> None:
    ledgers.open(DATA, LESS)
    per_patient = images(range(30), unit="patient")
    with pytest.raises(LedgerError, match=r"trainer ledger open"):
        reserve(ledgers, SMALL, per_patient)
    with pytest.raises(LedgerError, match="--reason"):
        ledgers.open(per_patient, Budget(5.0, 1e-4))
    ledgers.open(per_patient, LESS)
    with pytest.raises(LedgerError, match="budget is 1 "):
        reserve(ledgers, TWO, per_patient)
    assert reserve(ledgers, SMALL, per_patient).account.unit == "patient"
    with pytest.raises(LedgerError, match="--unit patient"):
        reserve(ledgers, SMALL)


def test_a_promise_per_patient_keeps_runs_per_image_out(ledgers: Ledgers) -> None:
    ledgers.open(images(range(30), unit="patient"), BUDGET)
    for refused in (lambda: reserve(ledgers, SMALL), lambda: ledgers.open(DATA, BUDGET)):
        with pytest.raises(LedgerError, match="Either train with --unit patient"):
            refused()


def test_a_delta_as_large_as_a_record_is_refused(ledgers: Ledgers) -> None:
    for refused in (
        lambda: ledgers.open(DATA, Budget(2.0, 0.04)),
        lambda: reserve(ledgers, SMALL, budget=Budget(2.0, 0.04)),
    ):
        with pytest.raises(LedgerError, match=r"delta 0\.04 must be below 1/n = 0\.033"):
            refused()

"""One ledger as it is read from its chain: whose images, which budget, which runs, what is left."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from trainer.privacy import accounting, chain, composition
from trainer.privacy.spend import Spend, SpendError, from_json

Mode = Literal["release", "research"]
FORMAT = 1
TAKES_OVER = ("open", "take over")
"""Kinds of lines that hold a budget and what comes from other ledgers."""


class LedgerError(ValueError):
    """The run must not happen; the message says why and what the choices are."""


@dataclass(frozen=True)
class Budget:
    """How much all release runs on a data set may spend together."""

    epsilon: float
    delta: float

    def __post_init__(self) -> None:
        try:
            accounting.gaussian_mu(self.epsilon, self.delta)
        except SpendError as error:
            raise LedgerError(f"this is no budget: {error}") from None


@dataclass(frozen=True)
class Run:
    """One run on record."""

    id: str
    time: str
    mode: Mode
    engine: str
    epsilon: float
    """Of the run alone, at ``delta``."""
    delta: float
    spend: Spend
    line: int
    """Where it stands in the ledger."""
    hash: str
    taken_over: bool
    """Whether it was made on another state of the data set, whose ledger this one continues."""
    finished: bool
    public: str
    """For research: the benchmark that the images are said to belong to."""
    files: Mapping[str, str] = field(default_factory=dict)
    """What it left when it had ended, name -> SHA-256; empty: nobody noted it."""
    recorded: str = ""
    """What it was, in a person's words, if it was made outside of the ledger and put on record afterwards."""


@dataclass(frozen=True)
class Account:
    """The ledger of one data set."""

    path: Path
    id: str
    name: str
    unit: str
    count: int
    """Number of units."""
    images: dict[str, str]
    """Keyed digest of each image's content -> of its row."""
    budget: Budget | None
    """None: opened by a research run; no release was made yet."""
    raised: tuple[str, ...]
    """Reasons given when the budget was raised, here or in a ledger that this one took over."""
    runs: tuple[Run, ...]
    elsewhere: tuple[str, ...]
    """Reasons given for charging a run here though other ledgers hold runs on the same index."""
    continued_by: str
    """The ledger that took this one over; empty if none did."""
    chain: chain.Chain

    def of(self, mode: Mode) -> tuple[Run, ...]:
        """The runs of one kind."""
        return tuple(run for run in self.runs if run.mode == mode)

    def spent(self, *more: Spend) -> float:
        """Epsilon of all release runs, and of further spends, at the budget's delta."""
        return together(self.of("release"), self.allowed.delta, *more)

    @property
    def allowed(self) -> Budget:
        """The budget.

        Raises:
            LedgerError: there is none yet.
        """
        if self.budget is None:
            raise LedgerError(
                f"ledger {self.id} has no budget yet; the first release run or trainer ledger raise sets it"
            )
        return self.budget

    def left(self) -> float:
        """About the epsilon that one more run alone may have; 0 if nothing is left."""
        runs, budget = self.of("release"), self.allowed
        spends = tuple(run.spend for run in runs)
        return composition.left(spends, budget.epsilon, budget.delta, _unplaced(runs))


def together(runs: Sequence[Run], delta: float, *more: Spend) -> float:
    """Epsilon at ``delta`` of runs on record, in their order, and of further spends."""
    spends = (*(run.spend for run in runs), *more)
    return composition.composed(spends, delta, _unplaced(runs))


def _unplaced(runs: Sequence[Run]) -> tuple[Spend, ...]:
    """Those of which the ledger does not know when they were made."""
    return tuple(run.spend for run in runs if run.recorded)


def read(path: Path) -> Account | None:
    """Read a ledger. None if its opening never reached the disk, so that nothing can have followed.

    Raises:
        ChainError: it was damaged or edited.
        LedgerError: it is of no known form.
    """
    found = chain.read(path)
    if not found.lines:
        return None
    head = found.lines[0].body
    if head.get("kind") != "open" or head.get("format") != FORMAT:
        raise LedgerError(
            f"{path} is no ledger of format {FORMAT}, the one this trainer knows; move it away or restore it"
        )
    bodies = [line.body for line in found.lines]
    raises = [each for body in bodies for each in (*body.get("raises", ()), *_if(body, "budget"))]
    ended = {body["run"]: body.get("files", {}) for body in bodies if body["kind"] == "finished"}
    return Account(
        path=path,
        id=head["ledger"],
        name=head["name"],
        unit=head["unit"],
        count=head["units"],
        images=head["images"],
        budget=_budget(bodies),
        raised=tuple(each["reason"] for each in raises if each["reason"]),
        runs=tuple(_runs(found.lines, ended)),
        elsewhere=(
            *(each["reason"] for body in bodies for each in body.get("other_ledgers", ())),
            *(
                each["elsewhere"]["reason"]
                for body in bodies
                for each in (*body.get("taken_over", ()), body)
                if "elsewhere" in each
            ),
        ),
        continued_by=next((body["by"] for body in bodies if body["kind"] == "continued"), ""),
        chain=found,
    )


def _if(body: dict[str, Any], kind: str) -> tuple[dict[str, Any], ...]:
    return (body,) if body["kind"] == kind else ()


def _budget(bodies: Sequence[dict[str, Any]]) -> Budget | None:
    """The latest: of the opening, of what was taken over later, of a raise."""
    found = [
        body if body["kind"] == "budget" else body["budget"]
        for body in bodies
        if body["kind"] in (*TAKES_OVER, "budget")
    ]
    last = next((each for each in reversed(found) if each is not None), None)
    return None if last is None else Budget(last["epsilon"], last["delta"])


def _runs(lines: Sequence[chain.Line], ended: dict[str, Any]) -> Iterator[Run]:
    """In the order in which they came on record here."""
    for line in lines:
        for body in line.body.get("taken_over", ()):
            yield _run(body, line, ended, taken_over=True)
        if line.body["kind"] == "run":
            yield _run(line.body, line, ended, taken_over=False)


def _run(body: dict[str, Any], line: chain.Line, ended: dict[str, Any], *, taken_over: bool) -> Run:
    return Run(
        id=body["run"],
        time=body["time"],
        mode=body["mode"],
        engine=body["engine"],
        epsilon=body["epsilon"],
        delta=body["delta"],
        spend=from_json(body["spend"]),
        line=line.number,
        hash=line.hash,
        taken_over=taken_over,
        finished=taken_over or "recorded" in body or body["run"] in ended,
        public=body["public"],
        files=ended.get(body["run"], {}),
        recorded=body.get("recorded", ""),
    )

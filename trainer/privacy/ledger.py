"""What training has spent on a data set, on disk, so that a budget holds over runs, crashes and years.

A directory holds one `chain` file per data set, and the key under which images are digested. A run is
written down *before* it looks at a private image, so that one that crashes counts. Release runs compose
(`composition`) with every release run before them, and together they stay within the budget.
Research runs, on public benchmarks, are counted beside, without a limit; no release is made of them.

Images are known by their content: an index that was renamed, split or mixed is no new data set. One rule
makes that sound: a release is charged to a ledger only if every release run of every other ledger that
holds one of its images is on that ledger, too.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from trainer.privacy import account as accounts
from trainer.privacy import accounting, chain, folder, marker, refusals, take_over
from trainer.privacy.account import FORMAT, Account, Budget, LedgerError, Mode, Run
from trainer.privacy.fingerprint import DataSet, mark
from trainer.privacy.folder import KEY, default_folder
from trainer.privacy.spend import Spend, to_json

__all__ = [
    "KEY",
    "Account",
    "Budget",
    "LedgerError",
    "Ledgers",
    "Mode",
    "Reservation",
    "Run",
    "default_folder",
]


CHECKED = "edge ledger"
"""What is marked with a directory's key, so that another key is noticed."""
RECORDED = "outside"
"""Engine of a run that the ledger knows of only because a person put it on record."""


@dataclass(frozen=True)
class Reservation:
    """A run that is on record and may now be made."""

    account: Account
    run: Run
    opened: bool
    """Whether this run opened the ledger."""
    research: tuple[Run, ...]
    """All research runs on record that saw any of the images."""


class Ledgers:
    """The ledgers of one directory; no file is written before one of them is opened."""

    def __init__(self, path: Path) -> None:
        self.folder = path

    def accounts(self) -> list[Account]:
        """All ledgers, by the name of their file.

        Raises:
            ChainError: one of them was damaged or edited.
            LedgerError: one of them is of no known form.
        """
        found = (accounts.read(path) for path in sorted(self.folder.glob("*.jsonl")))
        return [each for each in found if each is not None]

    def open(
        self, data: DataSet, budget: Budget, index: marker.Index | None = None, reason: str = ""
    ) -> Account:
        """Open a ledger. What was spent on any of its images is taken over from the ledgers that hold them.

        So is every raise of their budgets, with its reason. One that research alone opened has no budget yet:
        it is given one in the same way.

        Args:
            data: the data set.
            budget: of all release runs on it.
            index: where it was read from: its note must not name another directory, and is left there.
            reason: why the budget is another one than that of a ledger taken over; a raise.

        Raises:
            LedgerError: it has a budget already, another ledger has some of the images under another unit, or
                more than a ledger taken over allowed is asked for without a reason.
            ChainError: the directory or a ledger in it cannot be used.
        """
        with chain.locked(self.folder):
            there = self.accounts()
            known = self._known(index)
            key = self._key(there)
            mine = next((each for each in there if each.id == _id(key, data)), None)
            if mine is not None and mine.budget is not None:
                raise LedgerError(
                    f"this data set has a ledger with a budget, {mine.id}; see trainer ledger show and "
                    "trainer ledger raise"
                )
            own = data.keyed(key)
            overlapping = [each for each in refusals.overlapping(there, own) if each is not mine]
            refusals.refuse_other_unit(data.unit, own, [each for each in overlapping if each.of("release")])
            before = [each for each in overlapping if each.unit == data.unit and _binds(each)]
            raised = take_over.refuse_silent_raise(before, budget, reason)
            taken = take_over.take_over(before, [] if mine is None else [run.id for run in mine.runs])
            if raised:
                taken["raises"].append(_budget_body(budget, reason.strip()))
            if mine is None:
                made = self._open(key, data, budget, {**taken, **known})
            else:
                made = _extend(
                    mine, {"kind": "take over", "time": _now(), "budget": _plain(budget), **taken, **known}
                )
            if index is not None:
                marker.leave(index, mark(key, CHECKED), self.folder, made.id)
            for each in before:
                _extend(each, {"kind": "continued", "time": _now(), "by": made.id})
            return made

    def reserve(
        self,
        data: DataSet,
        spend: Spend,
        *,
        mode: Mode,
        engine: str,
        budget: Budget,
        public: str = "",
        index: marker.Index | None = None,
    ) -> Reservation:
        """Put a run on record; it may look at private images only after this returns.

        Args:
            data: what it will be trained on.
            spend: everything that it will release.
            mode: ``release`` is held to the budget, ``research`` only counted.
            engine: its name, for people.
            budget: the run's own epsilon and delta; the ledger's budget, if it has none yet.
            public: for research, the benchmark that the images belong to.
            index: where the data set was read from; see `open`.

        Raises:
            LedgerError: the budget does not allow it, the data set has changed, or the unit differs.
            ChainError: the record cannot be written, or was tampered with.
        """
        body = {**_run_body(mode, engine, spend, budget.delta), "public": public}
        with chain.locked(self.folder):
            there = self.accounts()
            known = self._known(index)
            key = self._key(there)
            own = data.keyed(key)
            account = next((each for each in there if each.id == _id(key, data)), None)
            others = [
                each for each in refusals.overlapping(there, own) if account is None or each.id != account.id
            ]
            if mode == "release":
                refusals.refuse_changed(data, own, account, others)
            elif account is None:
                # A part of a benchmark is charged to the whole: every image is charged at least its own.
                account = next((each for each in others if refusals.holds(each, data.unit, own)), None)
            opened = account is None
            if account is None:
                account = self._open(
                    key, data, budget if mode == "release" else None, take_over.take_over(())
                )
            if mode == "release":
                account = _with_budget(account, budget)
                refusals.refuse_overspending(account, spend)
            account = _extend(account, {**body, "time": _now(), **known})
            if index is not None:
                marker.leave(index, mark(key, CHECKED), self.folder, account.id)
        return Reservation(account, account.runs[-1], opened, _research((account, *others)))

    def research(self, account: Account) -> tuple[Run, ...]:
        """All research runs on record that saw any of its images."""
        return _research(refusals.overlapping(self.accounts(), account.images))

    def finish(self, reservation: Reservation, files: Mapping[str, str] | None = None) -> None:
        """Note that a run ended, and what files it left (name -> SHA-256). It counts either way.

        Raises:
            ChainError: the note cannot be written.
        """
        with chain.locked(self.folder):
            account = accounts.read(reservation.account.path)
            if account is not None:
                body = {"kind": "finished", "time": _now(), "run": reservation.run.id}
                _extend(account, {**body, "files": dict(files or {})})

    def raise_budget(self, account_id: str, budget: Budget, reason: str) -> Account:
        """Allow more. It stays on record, with its reason, and in each statement made from then on.

        Raises:
            LedgerError: there is no such ledger, no reason is given, or it is no raise.
        """
        with chain.locked(self.folder):
            account = self._named(account_id, self.accounts())
            if not reason.strip():
                raise LedgerError("a raise needs a reason: it will be read with every model made from now on")
            old = account.budget
            if old is not None and (budget.delta != old.delta or budget.epsilon <= old.epsilon):
                raise LedgerError(
                    f"expected an epsilon above {old.epsilon:g} at the same delta {old.delta:g}, so that "
                    "what was promised can be compared with what is allowed now"
                )
            return _extend(account, _budget_body(budget, reason.strip()))

    def record(self, account_id: str, spend: Spend, reason: str) -> Account:
        """Put a release on record that was made outside of the ledgers. It counts as any release run does.

        It has happened, so no budget stops it, and none is raised for it. It stands in every ledger that
        holds one of the images, under one name: each of them must count it. Where a crash left it in some of
        them, the same call completes it.

        Args:
            account_id: ledger of the images that it was made of, whose unit of privacy it had.
            spend: everything that it released; fixed beforehand, as in one run.
            reason: what it was: every later statement repeats it.

        Raises:
            LedgerError: there is no such ledger, it has no budget yet, no reason is given, there is no
                noise, or it is on record already.
        """
        with chain.locked(self.folder):
            there = self.accounts()
            account = self._named(account_id, there)
            if not reason.strip():
                raise LedgerError("say with --reason what was released: every later statement repeats it")
            body = _run_body("release", RECORDED, spend, account.allowed.delta)
            body |= {"time": _now(), "public": "", "recorded": reason.strip()}
            held = [each for each in refusals.overlapping(there, account.images) if each.unit == account.unit]
            same = {each.id: run for each in held for run in each.runs if _same(run, spend, body["recorded"])}
            missing = [each for each in held if each.id not in same]
            if not missing:
                raise LedgerError(
                    "this release is on record already; if this is another one, say so with --reason"
                )
            for run in same.values():
                body |= {"run": run.id, "time": run.time}
            for each in missing:
                _extend(each, body)
            return _reread(account.path)

    def _named(self, account_id: str, there: Sequence[Account]) -> Account:
        account = next((each for each in there if each.id == account_id), None)
        if account is None:
            known = ", ".join(each.id for each in there) or "none"
            raise LedgerError(f"there is no ledger {account_id!r} in {self.folder}; there is {known}")
        return account

    def _open(self, key: bytes, data: DataSet, budget: Budget | None, more: Mapping[str, Any]) -> Account:
        """Write the opening, which is one line: what is taken over is on record with it, or nothing is."""
        own = _id(key, data)
        path = self.folder / f"{own}.jsonl"
        body: dict[str, Any] = {
            "kind": "open",
            "time": _now(),
            "format": FORMAT,
            "ledger": own,
            "key_check": mark(key, CHECKED),
            "name": data.name,
            "unit": data.unit,
            "adjacency": f"add or remove one {data.unit}",
            "units": data.count,
            "budget": None if budget is None else _plain(budget),
            **more,
            "images": data.keyed(key),
        }
        chain.append(path, chain.read(path), body)
        return _reread(path)

    def _known(self, index: marker.Index | None) -> dict[str, Any]:
        """What the note beside the index says against this directory, to go on record; see `marker`."""
        if index is None:
            return {}
        key = folder.read_key(self.folder)
        return marker.refuse_another(index, "" if key is None else mark(key, CHECKED), self.folder)

    def _key(self, there: Sequence[Account]) -> bytes:
        """The key of the directory, made with its first ledger; checked against every ledger."""
        key = folder.read_key(self.folder)
        if key is None and not there:
            key = folder.make_key(self.folder)
        for each in there:
            if key is None or each.chain.lines[0].body["key_check"] != mark(key, CHECKED):
                raise LedgerError(
                    f"{self.folder / KEY} is not the key that ledger {each.id} was made with, so no image is "
                    "known again; restore it from a backup"
                )
        assert key is not None
        return key


def _research(there: Sequence[Account]) -> tuple[Run, ...]:
    return tuple({run.id: run for each in there for run in each.of("research")}.values())


def _same(run: Run, spend: Spend, reason: str) -> bool:
    return run.recorded == reason and run.spend == spend


def _with_budget(account: Account, budget: Budget) -> Account:
    return account if account.budget is not None else _extend(account, _budget_body(budget, ""))


def _binds(account: Account) -> bool:
    """Whether something was spent or promised there."""
    return account.budget is not None or bool(account.of("release"))


def _run_body(mode: Mode, engine: str, spend: Spend, delta: float) -> dict[str, Any]:
    alone = accounting.epsilon(spend, delta)
    if not math.isfinite(alone):
        raise LedgerError("a run with a release without noise has no epsilon, so no ledger can hold it")
    return {
        "kind": "run",
        "run": secrets.token_hex(4),
        "mode": mode,
        "engine": engine,
        "epsilon": alone,
        "delta": delta,
        "spend": to_json(spend),
    }


def _budget_body(budget: Budget, reason: str) -> dict[str, Any]:
    return {"kind": "budget", "time": _now(), **_plain(budget), "reason": reason}


def _plain(budget: Budget) -> dict[str, float]:
    return {"epsilon": budget.epsilon, "delta": budget.delta}


def _id(key: bytes, data: DataSet) -> str:
    return mark(key, f"{data.unit} {data.fingerprint}")[:16]


def _now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _extend(account: Account, body: dict[str, Any]) -> Account:
    chain.append(account.path, account.chain, body)
    return _reread(account.path)


def _reread(path: Path) -> Account:
    account = accounts.read(path)
    if account is None:
        raise LedgerError(f"{path} does not hold what was just written to it; check the disk")
    return account

"""What training has spent on each data set, on disk, so that a budget holds over runs, crashes and years.

A directory holds one file, a `chain`, and the key under which images are digested. A run is written down
*before* it looks at a private image, so that one that crashes counts. A release run composes (`composition`)
with every release run before it that saw one of its images, whatever the index was called, and it has to fit
into the budget of every ledger that holds one of them. Research runs, on public benchmarks, are counted
beside, without a limit; no release is made of them.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from trainer.privacy import accounting, book, chain, folder, marker, refusals
from trainer.privacy.account import Account, Budget, LedgerError, Mode, Run
from trainer.privacy.book import Book
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

FILE = "ledger.jsonl"
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

    @property
    def research(self) -> tuple[Run, ...]:
        """All research runs on record that saw any of the images."""
        return self.account.of("research")


class Ledgers:
    """The ledgers of one directory; no file is written before one of them is opened."""

    def __init__(self, path: Path) -> None:
        self.folder = path
        self.path = path / FILE

    def read(self) -> Book:
        """Everything on record.

        Raises:
            ChainError: the file was damaged or edited.
            LedgerError: it is gone, or of no known form.
        """
        found = book.read(self.path)
        if not found.chain.lines and folder.read_key(self.folder) is not None:
            raise LedgerError(
                f"{self.path} is gone or empty, and its key is there: what was spent stood in it. Restore it "
                "from a backup; until then nothing is trained with this directory"
            )
        return found

    def accounts(self) -> list[Account]:
        """All ledgers; see `read`."""
        return self.read().accounts()

    def open(
        self, data: DataSet, budget: Budget, index: marker.Index | None = None, reason: str = ""
    ) -> Account:
        """Give a data set its ledger and budget. Everything spent on any of its images counts there.

        Args:
            data: the data set.
            budget: of all release runs on it.
            index: where it was read from: its note must not name another directory, and is left there.
            reason: why the budget is above that of another ledger with some of the images, which is raised.

        Raises:
            LedgerError: it has a budget already, some of its images are held under another unit, delta is
                too large, or more than another ledger allows is asked for without a reason.
            ChainError: the directory cannot be used.
        """
        refusals.refuse_large_delta(budget, data.count)
        with chain.locked(self.folder):
            found, key, known = self._ready(index)
            own, name = data.keyed(key), _id(key, data)
            others = [found.account(each) for each in found.sharing(own) if each != name]
            if name in found.ids and found.account(name).budget is not None:
                raise LedgerError(
                    f"this data set has a ledger with a budget, {name}; see trainer ledger show and trainer "
                    "ledger raise"
                )
            refusals.refuse_other_unit(data.unit, own, others)
            refusals.refuse_silent_raise(budget, others, reason)
            found = self._add_data(found, key, data)
            found = self._raise_others(found, name, budget, reason)
            found = self._append(found, {**_budget(name, budget, ""), **known})
            self._note(index, found, name)
            return found.account(name)

    def reserve(
        self,
        data: DataSet,
        spend: Spend,
        *,
        mode: Mode,
        engine: str,
        budget: Budget | None,
        public: str = "",
        index: marker.Index | None = None,
    ) -> Reservation:
        """Put a run on record; it may look at private images only after this returns.

        Args:
            data: what it will be trained on.
            spend: everything that it will release; empty for research without privacy.
            mode: ``release`` is held to the budgets, ``research`` only counted.
            engine: its name, for people.
            budget: the run's own epsilon and delta; the ledger's budget, if it has none yet. None where
                there is no privacy.
            public: for research, the benchmark that the images belong to.
            index: where the data set was read from; see `open`.

        Raises:
            LedgerError: a budget does not allow it, the data set has changed, or the unit differs.
            ChainError: the record cannot be written, or was tampered with.
        """
        body = _run_body(mode, engine, spend, 0.0 if budget is None else budget.delta, public)
        with chain.locked(self.folder):
            found, key, known = self._ready(index)
            own, name = data.keyed(key), _id(key, data)
            others = [found.account(each) for each in found.sharing(own) if each != name]
            if mode == "research" and name not in found.ids:
                # A part of a benchmark is charged to the whole: every image is charged at least its own.
                name = next((each.id for each in others if _holds(each, data.unit, own)), name)
            if mode == "release" and budget is not None:
                refusals.refuse_large_delta(budget, data.count)
                refusals.refuse_other_unit(data.unit, own, others)
                if name not in found.ids or found.account(name).budget is None:
                    refusals.refuse_changed(data.name, own, others)
            if name not in found.ids:
                found = self._add_data(found, key, data)
            opened = not any(run.account == name for run in found.account(name).runs)
            opened &= found.account(name).budget is None
            if mode == "release" and budget is not None:
                account = found.account(name)
                allowed = account.budget or budget
                refusals.refuse_overspending(replace(account, budget=allowed), spend)
                if account.budget is None:
                    found = self._append(found, _budget(name, allowed, ""))
            found = self._append(found, {**body, "ledger": name, **known})
            self._note(index, found, name)
        account = found.account(name)
        return Reservation(account, account.runs[-1], opened)

    def finish(self, reservation: Reservation, files: Mapping[str, str] | None = None) -> None:
        """Note that a run ended, and what files it left (name -> SHA-256). It counts either way.

        Raises:
            ChainError: the note cannot be written.
        """
        with chain.locked(self.folder):
            body = {"kind": "finished", "time": _now(), "run": reservation.run.id, "files": dict(files or {})}
            self._append(self.read(), body)

    def raise_budget(self, account_id: str, budget: Budget, reason: str) -> Account:
        """Allow more. It stays on record, with its reason, and in each statement made from then on.

        Other ledgers with some of the images that allow less are raised with it: a run has to fit into each.

        Raises:
            LedgerError: there is no such ledger, no reason is given, or it is no raise.
        """
        with chain.locked(self.folder):
            found = self.read()
            old = self._named(found, account_id).allowed
            if not reason.strip():
                raise LedgerError("a raise needs a reason: it will be read with every model made from now on")
            if budget.delta != old.delta or budget.epsilon <= old.epsilon:
                raise LedgerError(
                    f"expected an epsilon above {old.epsilon:g} at the same delta {old.delta:g}, so that "
                    "what was promised can be compared with what is allowed now"
                )
            found = self._raise_others(found, account_id, budget, reason)
            return self._append(found, _budget(account_id, budget, reason)).account(account_id)

    def record(self, account_id: str, spend: Spend, reason: str) -> tuple[Account, Run]:
        """Put a release on record that was made outside of the ledgers. It counts as any release run does.

        It has happened, so no budget stops it, and none is raised for it.

        Args:
            account_id: ledger of the images that it was made of, whose unit of privacy it had.
            spend: everything that it released; fixed beforehand, as in one run.
            reason: what it was: every later statement repeats it.

        Raises:
            LedgerError: there is no such ledger, it has no budget yet, no reason is given, or there is no
                noise.
        """
        with chain.locked(self.folder):
            found = self.read()
            account = self._named(found, account_id)
            if not reason.strip():
                raise LedgerError("say with --reason what was released: every later statement repeats it")
            body = _run_body("release", RECORDED, spend, account.allowed.delta, "", reason.strip())
            account = self._append(found, {**body, "ledger": account_id}).account(account_id)
            return account, account.runs[-1]

    def _named(self, found: Book, account_id: str) -> Account:
        if account_id not in found.ids:
            known = ", ".join(found.ids) or "none"
            raise LedgerError(f"there is no ledger {account_id!r} in {self.folder}; there is {known}")
        return found.account(account_id)

    def _append(self, found: Book, body: dict[str, Any]) -> Book:
        return Book(chain.append(self.path, found.chain, body))

    def _add_data(self, found: Book, key: bytes, data: DataSet) -> Book:
        name = _id(key, data)
        if name in found.ids:
            return found
        body = {
            "kind": "data",
            "time": _now(),
            "ledger": name,
            "name": data.name,
            "unit": data.unit,
            "adjacency": f"add or remove one {data.unit}",
            "units": data.count,
            "images": data.keyed(key),
        }
        return self._append(found, body)

    def _raise_others(self, found: Book, name: str, budget: Budget, reason: str) -> Book:
        for other in found.account(name).shares_with:
            was = other.allowed
            if was.epsilon < budget.epsilon:
                found = self._append(found, _budget(other.id, Budget(budget.epsilon, was.delta), reason))
        return found

    def _ready(self, index: marker.Index | None) -> tuple[Book, bytes, dict[str, Any]]:
        """The book, its key, made if this is its first use, and what the index's note says against it."""
        found = self.read()
        known = {} if index is None else marker.refuse_another(index, found, self.folder)
        key = folder.read_key(self.folder)
        if key is None and found.empty:
            # The first line, then the key: where the key is, nothing can be missing but by loss.
            key = folder.new_key(self.folder)
            self.path.unlink(missing_ok=True)
            begin = {"kind": "begin", "time": _now(), "format": book.FORMAT, "key_check": mark(key, CHECKED)}
            found = self._append(Book(chain.read(self.path)), begin)
            folder.write_key(self.folder, key)
        if key is None or found.key_check != mark(key, CHECKED):
            raise LedgerError(
                f"{self.folder / KEY} is not the key that {self.path} was made with, so no image is known "
                "again; restore it from a backup"
            )
        return found, key, known

    def _note(self, index: marker.Index | None, found: Book, name: str) -> None:
        if index is not None:
            marker.leave(index, found, self.folder, name)


def _holds(account: Account, unit: str, own: Mapping[str, str]) -> bool:
    """Whether all images are in a ledger as they are, under the same unit."""
    return account.unit == unit and own.items() <= account.images.items()


def _run_body(
    mode: Mode, engine: str, spend: Spend, delta: float, public: str, recorded: str = ""
) -> dict[str, Any]:
    alone = accounting.epsilon(spend, delta) if spend and delta else math.inf
    if not math.isfinite(alone) and (mode == "release" or spend):
        raise LedgerError("a run with a release without noise has no epsilon, so no ledger can hold it")
    return {
        "kind": "run",
        "time": _now(),
        "run": secrets.token_hex(4),
        "mode": mode,
        "engine": engine,
        "epsilon": alone if spend else None,
        "delta": delta,
        "spend": to_json(spend),
        "public": public,
        "recorded": recorded,
    }


def _budget(name: str, budget: Budget, reason: str) -> dict[str, Any]:
    return {
        "kind": "budget",
        "time": _now(),
        "ledger": name,
        "epsilon": budget.epsilon,
        "delta": budget.delta,
        "reason": reason.strip(),
    }


def _id(key: bytes, data: DataSet) -> str:
    return mark(key, f"{data.unit} {data.fingerprint}")[:16]


def _now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")

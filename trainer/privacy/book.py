"""All ledgers of a directory as they are read from its one file: data sets, budgets and runs in one order.

A run counts for every data set that shares an image with its own, so an index that was renamed, split, mixed
or grown is no new data set, and nothing ever has to be carried from one ledger to another.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from trainer.privacy import chain
from trainer.privacy.account import Account, Budget, LedgerError, Run
from trainer.privacy.spend import from_json

FORMAT = 2
KINDS = ("begin", "data", "budget", "run", "finished")


@dataclass(frozen=True)
class Book:
    """What a directory has on record. Pure: lines in, values out."""

    chain: chain.Chain

    @property
    def key_check(self) -> str:
        """What tells the directory's key; empty if nothing is on record."""
        return str(self.chain.lines[0].body["key_check"]) if self.chain.lines else ""

    @property
    def empty(self) -> bool:
        """Whether no data set is on record."""
        return not self._data

    @property
    def ids(self) -> tuple[str, ...]:
        """The ledgers, in the order of their first run or opening."""
        return tuple(self._data)

    def accounts(self) -> list[Account]:
        """All ledgers."""
        return [self.account(each) for each in self._data]

    def account(self, name: str) -> Account:
        """One ledger, by its id, which must be there."""
        own = self._alone(name)
        others = (self._alone(each) for each in self.sharing(own.images) if each != name)
        return replace(own, shares_with=tuple(each for each in others if each.budget is not None))

    def sharing(self, images: Collection[str]) -> list[str]:
        """The ledgers that hold any of the images, whose keyed digests are given."""
        found = {name for image in images for name in self._holders.get(image, ())}
        return [each for each in self._data if each in found]

    def run(self, name: str) -> Run | None:
        """A run, by its id."""
        return next((run for run in self._runs if run.id == name), None)

    def _alone(self, name: str) -> Account:
        data = self._data[name]
        near = set(self.sharing(data["images"]))
        budgets = [body for body in self._bodies("budget") if body["ledger"] in near]
        own = [body for body in budgets if body["ledger"] == name]
        reasons = [body["reason"] for body in budgets if body["reason"]]
        elsewhere = [
            body["elsewhere"]["reason"]
            for body in self._bodies("budget", "run")
            if body["ledger"] in near and "elsewhere" in body
        ]
        return Account(
            id=name,
            name=data["name"],
            unit=data["unit"],
            count=data["units"],
            images=data["images"],
            budget=Budget(own[-1]["epsilon"], own[-1]["delta"]) if own else None,
            raised=tuple(dict.fromkeys(reasons)),
            runs=tuple(run for run in self._runs if run.account in near),
            elsewhere=tuple(dict.fromkeys(elsewhere)),
        )

    def _bodies(self, *kinds: str) -> list[dict[str, Any]]:
        return [line.body for line in self.chain.lines if line.body["kind"] in kinds]

    @cached_property
    def _data(self) -> dict[str, dict[str, Any]]:
        return {body["ledger"]: body for body in self._bodies("data")}

    @cached_property
    def _holders(self) -> Mapping[str, Sequence[str]]:
        """Image -> ledgers that hold it."""
        found: dict[str, list[str]] = {}
        for name, data in self._data.items():
            for image in data["images"]:
                found.setdefault(image, []).append(name)
        return found

    @cached_property
    def _runs(self) -> tuple[Run, ...]:
        ended = {body["run"]: body["files"] for body in self._bodies("finished")}
        return tuple(
            _run(line, self._data[line.body["ledger"]]["unit"], ended)
            for line in self.chain.lines
            if line.body["kind"] == "run"
        )


def read(path: Path) -> Book:
    """Read a file; one that is not there has nothing on record.

    Raises:
        ChainError: it was damaged or edited.
        LedgerError: it is of no known form.
    """
    found = chain.read(path)
    for line in found.lines:
        kind = line.body.get("kind")
        if (line.number == 1) != (kind == "begin") or kind not in KINDS:
            raise LedgerError(
                f"line {line.number} of {path} is of no kind that this trainer knows: take a newer one"
            )
    if found.lines and found.lines[0].body.get("format") != FORMAT:
        raise LedgerError(
            f"{path} is no ledger of format {FORMAT}, the one that this trainer knows: take a newer one"
        )
    return Book(found)


def _run(line: chain.Line, unit: str, ended: Mapping[str, Mapping[str, str]]) -> Run:
    body = line.body
    return Run(
        id=body["run"],
        account=body["ledger"],
        unit=unit,
        time=body["time"],
        mode=body["mode"],
        engine=body["engine"],
        epsilon=math.inf if body["epsilon"] is None else body["epsilon"],
        delta=body["delta"],
        spend=from_json(body["spend"]),
        line=line.number,
        hash=line.hash,
        public=body["public"],
        recorded=body["recorded"],
        finished=bool(body["recorded"]) or body["run"] in ended,
        files=ended.get(body["run"], {}),
    )

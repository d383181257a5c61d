"""What the ledger says of a run: whether it stands there as what it says it is, and which images it saw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edge.imaging.bundle import Privacy
from trainer.data.content import digests
from trainer.data.record import Record
from trainer.privacy import voucher as vouchers
from trainer.privacy.fingerprint import mark
from trainer.privacy.folder import the_key
from trainer.privacy.ledger import Account, LedgerError, Ledgers, Run
from trainer.privacy.spend import to_json
from trainer.privacy.statement import renewed


def confirm(
    privacy: Privacy, files: Mapping[str, str], folder: Path, voucher: Mapping[str, Any] | None = None
) -> Account:
    """Compare a run directory with the ledger that it names: its statement, and its very bytes.

    Args:
        privacy: the statement, with ``mode`` "release".
        files: what the directory holds, name -> SHA-256.
        folder: directory of the ledgers.
        voucher: what ``fit`` left where the ledger could not note the end of the run; it is noted now.

    Returns:
        The ledger.

    Raises:
        LedgerError: the ledger is not there, knows no such release run, or the run wrote other files.
        ChainError: a ledger was damaged or edited.
    """
    account, run = _find(privacy, folder)
    if not run.files and voucher is not None:
        vouchers.redeem(folder, voucher)
        account, run = _find(privacy, folder)
    if not run.files:
        raise LedgerError(
            f"ledger {account.id} does not say which files run {run.id} wrote: it was made by an earlier "
            "trainer, or broke off. Nobody can tell whether these are its files, so no release is made of "
            "them; export it with --research to look at it"
        )
    changed = sorted(name for name in {*run.files, *files} if run.files.get(name) != files.get(name))
    if changed:
        raise LedgerError(
            f"{', '.join(changed)} of the run directory: not what run {run.id} of ledger {account.id} wrote. "
            "The directory was edited; restore it as trainer fit left it"
        )
    return account


def by_now(privacy: Privacy, folder: Path) -> Privacy:
    """The statement of a release, with what its ledger says by now: more may have been made of the images.

    Raises:
        LedgerError: the ledger is not there, or knows no such release run.
        ChainError: a ledger was damaged or edited.
    """
    account, run = _find(privacy, folder)
    return renewed(privacy, account, run)


def trained_on(privacy: Privacy, folder: Path) -> Account:
    """The ledger that a run, for release or research, was charged to.

    Raises:
        LedgerError: it is not in the directory.
        ChainError: a ledger was damaged or edited.
    """
    return _charged(privacy, folder)[0]


def held(account: Account, folder: Path, records: Sequence[Record]) -> list[bool]:
    """Whether the ledger holds each record's image, by its content.

    Raises:
        LedgerError: the key of the ledgers cannot be read.
        DataError: an image cannot be read.
    """
    key = the_key(folder)
    return [mark(key, each) in account.images for each in digests(records)]


def _charged(privacy: Privacy, folder: Path) -> tuple[Account, Run | None]:
    """The ledger that a run names, and what that says of the run."""
    names = (privacy.model_extra or {}).get("ledger") or {}
    found = Ledgers(folder).read()
    if names.get("id") not in found.ids:
        raise LedgerError(
            f"ledger {names.get('id')}, which the run was charged to, is not in {folder}; give its "
            "directory with --ledger"
        )
    return found.account(names["id"]), found.run(str(names.get("run")))


def _find(privacy: Privacy, folder: Path) -> tuple[Account, Run]:
    account, run = _charged(privacy, folder)
    said = privacy.model_extra or {}
    mine = run is not None and (run.account, run.mode) == (account.id, "release")
    if run is None or not mine or to_json(run.spend) != said.get("releases"):
        raise LedgerError(
            f"ledger {account.id} has no release run {said['ledger'].get('run')} that spent what the run "
            "directory says: it was edited, or the run was made for research. Train with --mode release"
        )
    return account, run

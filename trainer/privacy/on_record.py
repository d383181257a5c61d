"""Whether a run that is to be released stands in its ledger, as what it says it is."""

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


def overlap(account: Account, folder: Path, records: Sequence[Record]) -> int:
    """How many of the records' images the ledger holds, by their content.

    Raises:
        LedgerError: the key of the ledgers cannot be read.
        DataError: an image cannot be read.
    """
    key = the_key(folder)
    return sum(mark(key, each) in account.images for each in digests(records))


def _find(privacy: Privacy, folder: Path) -> tuple[Account, Run]:
    said = privacy.model_extra or {}
    names = said.get("ledger") or {}
    found = Ledgers(folder).read()
    if names.get("id") not in found.ids:
        raise LedgerError(
            f"ledger {names.get('id')}, which the run was charged to, is not in {folder}; give its "
            "directory with --ledger"
        )
    account, run = found.account(names["id"]), found.run(str(names.get("run")))
    mine = run is not None and (run.account, run.mode) == (account.id, "release")
    if run is None or not mine or to_json(run.spend) != said.get("releases"):
        raise LedgerError(
            f"ledger {account.id} has no release run {names.get('run')} that spent what the run directory "
            "says: the directory was edited, or the run was made for research. Train with --mode release"
        )
    return account, run

"""The end of a run that its ledger could not note: a full disk must not cost a model that was paid for.

The ledger binds a run to the files that it left, by their SHA-256, and a release is made of those files
alone. Where the line cannot be written, a *voucher* beside the files holds the same words under the key of
the ledgers' directory, so that nobody without that key can make one; ``trainer export`` puts it on record.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainer.privacy.folder import the_key
from trainer.privacy.ledger import LedgerError, Ledgers, Reservation


def vouch(folder: Path, reservation: Reservation, files: Mapping[str, str]) -> dict[str, Any]:
    """The words of a voucher.

    Args:
        folder: directory of the ledgers.
        reservation: the run.
        files: what it left, name -> SHA-256.

    Raises:
        LedgerError: the key cannot be read.
    """
    said = {"ledger": reservation.account.id, "run": reservation.run.id, "files": dict(files)}
    return {**said, "mark": _mark(folder, said)}


def redeem(folder: Path, voucher: Mapping[str, Any]) -> None:
    """Note the end of a run that a voucher speaks of.

    Raises:
        LedgerError: nobody with the key of these ledgers made it, or its run is not there.
        ChainError: the ledger still cannot be written.
    """
    said = {name: value for name, value in voucher.items() if name != "mark"}
    right = hmac.compare_digest(_mark(folder, said), str(voucher.get("mark")))
    ledgers = Ledgers(folder)
    found = ledgers.read()
    run = found.run(str(said.get("run")))
    if not right or run is None or run.account != said.get("ledger"):
        raise LedgerError("the voucher of the run was not made with these ledgers, or was edited")
    ledgers.finish(Reservation(found.account(run.account), run, opened=False), said["files"])


def _mark(folder: Path, said: Mapping[str, Any]) -> str:
    text = "finished " + json.dumps(said, sort_keys=True)
    return hmac.new(the_key(folder), text.encode(), hashlib.sha256).hexdigest()

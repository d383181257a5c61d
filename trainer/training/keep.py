"""After training: what was paid for is kept, whatever fails now, and the ledger is told which files it is."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from trainer.network.edge_net import EdgeNet
from trainer.privacy.chain import ChainError
from trainer.privacy.ledger import LedgerError, Ledgers, Reservation
from trainer.privacy.voucher import vouch
from trainer.training import run_record


def keep(
    out: Path, record: run_record.RunRecord, net: EdgeNet, reservation: Reservation, ledgers: Path
) -> None:
    """Write the run directory, then note in the ledger what is in it.

    Where ``out`` cannot be written any more, a directory for temporary files is taken; where the ledger
    cannot, a voucher is left. Either is told on stderr, with what to do.

    Raises:
        OSError: the run can be kept nowhere.
    """
    try:
        where, files = out, run_record.save(out, record, net)
    except OSError as error:
        where = Path(tempfile.mkdtemp(prefix="trainer-run-")) / "run"
        files = run_record.save(where, record, net)
        _tell(f"{out} cannot be written any more ({error.strerror}). The run is in {where}: move it")
    try:
        Ledgers(ledgers).finish(reservation, files)
    except (ChainError, LedgerError, OSError) as error:
        _tell(f"ledger {reservation.account.id} could not note the end of the run: {error}")
        try:
            text = json.dumps(vouch(ledgers, reservation, files), indent=2) + "\n"
            (where / run_record.VOUCHER).write_text(text, "utf-8")
        except (LedgerError, OSError) as lost:
            _tell(
                f"and no voucher could be made ({lost}). The model is in {where}; no release can be "
                "exported of it, because nobody could tell that it is this run's"
            )
        else:
            _tell(
                f"The run is whole, and spent what is on record. Keep {where} with its "
                f"{run_record.VOUCHER}; when the ledger can be written again, trainer export notes it"
            )


def _tell(text: str) -> None:
    print(f"trainer: {text}", file=sys.stderr)

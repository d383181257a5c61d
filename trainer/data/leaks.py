"""Before anything is spent or read: no group, patient or identical file may stand in two splits."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from trainer.data import splits
from trainer.data.content import digests
from trainer.data.record import Record


def refuse(records: Sequence[Record]) -> None:
    """Refuse an index whose splits share something; the content of every file is read.

    Names come first, since they cost nothing. A file that is not there cannot be compared: whoever trains
    need not hold the test images. Their number is told.

    Args:
        records: of all splits. Of one split there is nothing to compare.

    Raises:
        SplitError: they share something; counts and what to do.
    """
    if len({record.split for record in records}) < 2:
        return
    splits.check(records)
    found = digests(records, missing=True)
    rows = [row for row, digest in enumerate(found) if digest]
    if len(rows) < len(records):
        print(
            f"warning: {len(records) - len(rows)} files of the index cannot be opened here, so nobody knows "
            "whether one is a copy of an image in another split",
            file=sys.stderr,
        )
    splits.check([records[row] for row in rows], [found[row] for row in rows])

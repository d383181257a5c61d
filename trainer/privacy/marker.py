"""A note beside an index that says which directory of ledgers its runs are charged to.

A ledger is known only to those who look into its directory: another directory, or another person's, would
give the same images a fresh budget, and know of no research on them. So a run leaves ``INDEX.csv.ledger``
beside the index, and one that would be charged elsewhere is refused, unless a person gives a reason, which
goes on record.

It is a guard against mistakes, not against intent. It does not travel with a copy of the index or of the
images, it can be deleted, and where nobody may write beside the index there is none.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from trainer.privacy.account import LedgerError
from trainer.privacy.book import Book

OPTION = "--another-ledger"


@dataclass(frozen=True)
class Index:
    """The index or folder that a run is made of."""

    path: Path
    another: str = ""
    """Why it is charged to another directory of ledgers than those before it; empty if it is not to be."""


def beside(index: Path) -> Path:
    """Where the note of an index, or of a folder of images, stands."""
    path = index.resolve()
    return path.with_name(path.name + ".ledger")


def refuse_another(index: Index, book: Book, folder: Path) -> dict[str, Any]:
    """Refuse a directory of ledgers that is not the one which the note names, or not as far as it was then.

    Args:
        index: what is to be trained on.
        book: what the directory has on record.
        folder: the directory.

    Returns:
        What goes on record with the run: empty, or the reason and the directory before.

    Raises:
        LedgerError: another directory holds what was spent, or this one has lost it, and no reason was
            given; or the note is damaged.
    """
    path = beside(index.path)
    try:
        said = json.loads(path.read_text("utf-8"))
        check, where, ids = str(said["key_check"]), str(said["directory"]), [str(x) for x in said["ledgers"]]
        line, head = int(said["line"]), str(said["head"])
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise LedgerError(
            f"{path} cannot be read ({error.strerror}): it names the ledgers of the index"
        ) from None
    except (ValueError, KeyError, TypeError):
        raise LedgerError(
            f"{path} is damaged: it names the ledgers that runs on this index were charged to. Restore it; "
            "or take it away, name those ledgers yourself with --ledger, and it will be written anew"
        ) from None
    lines = book.chain.lines
    if check == book.key_check:
        if len(lines) >= line and lines[line - 1].hash == head:
            return {}
        if not index.another.strip():
            raise LedgerError(
                f"the ledgers in {folder} have lost what runs on {index.path} were charged there (says "
                f"{path}): an older copy was restored, or lines were cut off. Restore the newest backup. If "
                f'there is none, say so with {OPTION} "reason": it stays on record and in every later '
                "statement"
            )
    elif not index.another.strip():
        raise LedgerError(
            f"runs on {index.path} were charged to ledger {', '.join(ids)} in {where} (says {path}), "
            f"and {folder} knows nothing of them. Name that directory with --ledger. If it is lost, or those "
            f'runs never left the house, say so with {OPTION} "reason": it stays on record, and every later '
            "statement repeats it"
        )
    return {"elsewhere": {"reason": index.another.strip(), "directory": where, "ledgers": ids}}


def leave(index: Index, book: Book, folder: Path, ledger: str) -> None:
    """Write the note, or bring it up to date. Where that is not possible there is none, and it is said."""
    path = beside(index.path)
    try:
        said = json.loads(path.read_text("utf-8")) if path.exists() else {}
        known = said["ledgers"] if said.get("key_check") == book.key_check else []
        about = {
            "what": "runs on this index are charged to these ledgers; keep this file beside it",
            "directory": str(folder.resolve()),
            "key_check": book.key_check,
            "ledgers": list(dict.fromkeys([*known, ledger])),
            "line": len(book.chain.lines),
            "head": book.chain.head,
            "written": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        path.write_text(json.dumps(about, indent=2) + "\n", "utf-8")
    except OSError as error:
        print(
            f"NOTE: {path} cannot be written ({error.strerror}): nothing beside the index says which ledger "
            f"its runs are charged to; always name {folder} with --ledger",
            file=sys.stderr,
        )

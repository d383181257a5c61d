"""``edge leak``: what the standing proof found at this box, and a person's word that opens a source again."""

from __future__ import annotations

import argparse
import sys
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from edge.settings import DEFAULT_PATH

if TYPE_CHECKING:
    from edge.store.leaks import Kept

_LONGEST_NAME = 64
_CAUSES = {
    "leak_budget_spent": "second looks objected to frames that had left",
    "recall_low": "canaries were not covered",
}
_ACKNOWLEDGE = """\
Open a latched source again and give it its leak budget back.

Look first: quarantined frames show what was objected to; camera, lens and light what the detectors are up
against. A source whose canaries are still missed is latched again.

exit code: 0 acknowledged
           1 the source is not latched; nothing was changed
           2 it could not be done; the message says why
"""


def add_commands(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``edge leak show`` and ``edge leak acknowledge``."""
    parser = sub.add_parser("leak", help="show spent leak budgets, acknowledge a latched source")
    verbs = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    show = verbs.add_parser("show", help="say which sources are latched, since when and why")
    acknowledge = verbs.add_parser(
        "acknowledge",
        help="open a latched source; audited",
        description=_ACKNOWLEDGE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    acknowledge.add_argument("source", metavar="SOURCE", help="name of the source")
    acknowledge.add_argument(
        "--by", metavar="NAME", required=True, help="who has looked; goes into the audit log"
    )
    for verb, run in ((show, _show), (acknowledge, _acknowledge)):
        verb.add_argument("--settings", type=Path, default=DEFAULT_PATH, help="settings file")
        verb.set_defaults(run=run)


def _show(args: argparse.Namespace) -> int:
    from edge.settings import load  # noqa: PLC0415 - `edge --help` is quick
    from edge.store import audit  # noqa: PLC0415
    from edge.store.leaks import AUDIT, LeakLedger  # noqa: PLC0415

    settings = load(args.settings)
    try:
        ledger = LeakLedger(settings.box.state)
        known = ledger.read()
        ledger.close()
        checked = audit.check(settings.box.state / AUDIT)
    except OSError as error:
        return _failed(error)
    for name, kept in sorted(known.items()):
        _say(f"{name}: {_told(kept, settings.proof.leak_budget)}")
    if not known:
        _say("no source has spent anything of its leak budget")
    broken = f"; line {checked.broken} was altered" if checked.broken else ""
    _say(f"audit log: {checked.lines} lines, last {checked.last[:16]}{broken}")
    return 1 if checked.broken else 0


def _told(kept: Kept, budget: int) -> str:
    spent = f"{len(kept.spent)} of {budget} disagreements, acknowledged {kept.acknowledged} times"
    if kept.latched is None:
        return f"open; {spent}"
    since = datetime.fromtimestamp((kept.since_ms or 0) / 1000, timezone.utc)
    return f"latched since {since:%Y-%m-%d %H:%M} UTC: {_CAUSES.get(kept.latched, kept.latched)}; {spent}"


def _acknowledge(args: argparse.Namespace) -> int:
    from edge.settings import load  # noqa: PLC0415
    from edge.store.leaks import LeakLedger  # noqa: PLC0415

    by = args.by.strip()
    if not by or len(by) > _LONGEST_NAME or not by.isprintable():
        print(f"error: expected --by with a name of 1 to {_LONGEST_NAME} characters", file=sys.stderr)  # noqa: T201
        return 2
    settings = load(args.settings)
    try:
        ledger = LeakLedger(settings.box.state)
        kept = ledger.acknowledge(args.source, by, time.time_ns() // 1_000_000)
        ledger.close()
    except OSError as error:
        return _failed(error)
    if kept is None:
        print(f"{args.source} is not latched; see: edge leak show", file=sys.stderr)  # noqa: T201
        return 1
    _say(f"{args.source} was acknowledged by {by}; the box opens it within seconds")
    return 0


def _failed(error: OSError) -> int:
    print(f"error: {error}; run this as the box's own user", file=sys.stderr)  # noqa: T201
    return 2


def _say(line: str) -> None:
    print(line)  # noqa: T201 - a command's output

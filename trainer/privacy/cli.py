"""Commands ``trainer ledger open | show | raise | record``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from trainer.data.options import add_selection
from trainer.privacy.options import add_unit, check_budget, unit

if TYPE_CHECKING:
    from rich.table import Table

    from trainer.privacy.ledger import Account, Run
    from trainer.privacy.spend import Release


def add_commands(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``ledger`` with its own commands."""
    parser = sub.add_parser("ledger", help="what training has spent on each data set, and what is left")
    inner = parser.add_subparsers(required=True)

    each = inner.add_parser("open", help="open the ledger of a data set, with its budget")
    each.add_argument("data", type=Path, help="CSV index, or a folder with one folder per class")
    add_selection(each)
    each.add_argument("--split", default="train")
    each.add_argument("--epsilon", type=float, required=True)
    each.add_argument("--delta", type=float, required=True, help="below 1/n")
    add_unit(each)
    each.add_argument("--per-patient", type=int, dest="cap", help="as in trainer fit")
    each.add_argument(
        "--reason",
        default="",
        help="why more may be spent than another ledger with some of the images allows; stays on record",
    )
    add_ledger(each)
    add_another(each)
    each.set_defaults(run=_open)

    each = inner.add_parser("show", help="list runs: epsilon alone, together, left")
    add_ledger(each)
    each.set_defaults(run=_show)

    each = inner.add_parser("raise", help="allow more; stays on record with its reason")
    each.add_argument("id", help="of the ledger, as trainer ledger show prints it")
    each.add_argument("--epsilon", type=float, required=True)
    each.add_argument("--delta", type=float, required=True)
    each.add_argument("--reason", required=True)
    add_ledger(each)
    each.set_defaults(run=_raise)

    each = inner.add_parser(
        "record",
        help="put on record what was released outside of the ledger",
        description="Put one run on record that was made of these images with another tool, or before there "
        "was a ledger: Gaussian noise on Poisson samples or on all units, add or remove one unit of this "
        "ledger. It counts as any release run does. Runs that were chosen one after the other are recorded "
        "one by one.",
    )
    each.add_argument("id", help="of the ledger, as trainer ledger show prints it")
    each.add_argument(
        "--release",
        type=_release,
        action="append",
        required=True,
        metavar="NOISE:RATE:STEPS",
        help="noise multiplier, sampling rate (1: all units), number of steps; once for each part of the run",
    )
    each.add_argument("--reason", required=True, help="what it was; every later statement repeats it")
    add_ledger(each)
    each.set_defaults(run=_record)


def add_ledger(parser: argparse.ArgumentParser) -> None:
    """The option that says where ledgers are."""
    parser.add_argument(
        "--ledger",
        type=Path,
        metavar="DIR",
        help="directory of the ledgers; default: EDGE_LEDGER, else /var/lib/edge-trainer/ledgers if it is "
        "there, else ~/.local/state/edge-trainer/ledgers",
    )


def add_another(parser: argparse.ArgumentParser) -> None:
    """The option that allows another directory of ledgers than the one noted beside the index."""
    parser.add_argument(
        "--another-ledger",
        default="",
        dest="another",
        metavar="REASON",
        help="charge other ledgers than those that runs on this index were charged to; stays on record",
    )


def _open(args: argparse.Namespace) -> int:
    from trainer.data import dataset
    from trainer.privacy.ledger import Budget, Ledgers, default_folder
    from trainer.privacy.marker import Index
    from trainer.privacy.units import data_set, group

    chosen = unit(args)
    check_budget(args)
    records = dataset.of_split(dataset.read(args.data, args.only, args.modality), args.split)
    grouped = group(records, chosen, args.cap)
    data = data_set(data_name(args), grouped.records, grouped.units)
    budget, index = Budget(args.epsilon, args.delta), Index(args.data, args.another)
    account = Ledgers(args.ledger or default_folder()).open(data, budget, index, args.reason)
    print(
        f"ledger {account.id} in {args.ledger or default_folder()}: {len(account.images)} images, "
        f"{account.count} {account.unit}s, budget epsilon {args.epsilon:g} at delta {args.delta:g}, "
        f"spent {account.spent():.3f}"
    )
    return 0


def data_name(args: argparse.Namespace) -> str:
    """Where the records of a command come from and what it takes of them, for a ledger."""
    only = f", only {','.join(sorted(args.only))}" if args.only else ""
    return f"{args.data.resolve()}{only}, split {args.split}"


def _raise(args: argparse.Namespace) -> int:
    from trainer.privacy.ledger import Budget, Ledgers, default_folder

    folder = args.ledger or default_folder()
    account = Ledgers(folder).raise_budget(args.id, Budget(args.epsilon, args.delta), args.reason)
    print(f"ledger {account.id}: budget epsilon {args.epsilon:g}, about {account.left():.3f} left")
    return 0


def _release(text: str) -> Release:
    from trainer.privacy.spend import Release, SpendError

    try:
        noise, rate, steps = text.split(":")
        return Release("recorded afterwards", float(noise), float(rate), int(steps))
    except SpendError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected NOISE:RATE:STEPS, for example 3.6:0.1:300, got {text!r}"
        ) from None


def _record(args: argparse.Namespace) -> int:
    from trainer.privacy.ledger import Ledgers, default_folder

    folder = args.ledger or default_folder()
    account, run = Ledgers(folder).record(args.id, tuple(args.release), args.reason)
    budget = account.allowed
    print(
        f"ledger {account.id}: run {run.id} is on record, epsilon {run.epsilon:.3f} alone; spent by releases "
        f"{account.spent():.3f} of budget epsilon {budget.epsilon:g} at delta {budget.delta:g}; about "
        f"{account.left():.3f} left"
    )
    return 0


def _show(args: argparse.Namespace) -> int:
    from rich.console import Console

    from trainer.privacy.ledger import Ledgers, default_folder

    folder = args.ledger or default_folder()
    accounts = Ledgers(folder).accounts()
    if not accounts:
        print(f"no ledger in {folder}; trainer ledger open or the first trainer fit makes one")
    console = Console(width=None if Console().is_terminal else 120)
    for account in accounts:
        console.print(f"ledger {account.id}: {account.name}; {account.count} {account.unit}s", soft_wrap=True)
        if account.runs:
            console.print(_table(account))
        console.print(_summary(account), highlight=False)
    return 0


def _table(account: Account) -> Table:
    from rich import box
    from rich.table import Table

    from trainer.privacy.account import together

    table = Table(box=box.SIMPLE)
    for name in ("run", "when (UTC)", "mode", "engine", "state"):
        table.add_column(name)
    for name in ("epsilon alone", "together"):
        table.add_column(name, justify="right")
    so_far: dict[str, list[Run]] = {"release": [], "research": []}
    for run in account.runs:
        if _only_counted(account, run):
            continue
        so_far[run.mode].append(run)
        delta = account.budget.delta if account.budget and run.mode == "release" else run.delta
        all_so_far = together(so_far[run.mode], delta)
        mode = f"research ({run.public})" if run.public else run.mode
        figures = (f"{run.epsilon:.3f}", f"{all_so_far:.3f}")  # "inf": without privacy
        table.add_row(run.id, run.time, mode, run.engine, _state(account, run), *figures)
    return table


def _only_counted(account: Account, run: Run) -> bool:
    """Whether it stands in the table of another ledger alone: research, or a run per another unit."""
    return run.account != account.id and (run.mode == "research" or run.unit != account.unit)


def _state(account: Account, run: Run) -> str:
    state = "finished" if run.finished else "not finished, counted"
    state = "recorded afterwards" if run.recorded else state
    return state if run.account == account.id else f"{state}, on ledger {run.account}"


def _summary(account: Account) -> str:
    more = sum(_only_counted(account, run) for run in account.runs)
    others = (
        [f"  on other ledgers, {more} runs for research or per another unit saw some of these images"]
        if more
        else []
    )
    if account.budget is None:
        return "\n".join(["  no budget: no release was made of these images yet", *others]) + "\n"
    first = (
        f"  budget epsilon {account.budget.epsilon:g} at delta {account.budget.delta:g}; "
        f"spent by releases {account.spent():.3f}; left: one run of about {account.left():.3f}"
    )
    parts = [first, *others]
    parts += [f"  budget raised: {reason}" for reason in account.raised]
    parts += [f"  recorded afterwards: {run.recorded}" for run in account.of("release") if run.recorded]
    parts += [f"  other ledgers hold runs on the index: {reason}" for reason in account.elsewhere]
    parts += [
        f"  shares images with ledger {each.id}: a run has to fit there, too" for each in account.shares_with
    ]
    return "\n".join(parts) + "\n"

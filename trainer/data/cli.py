"""Commands ``trainer data`` and ``trainer split``."""

from __future__ import annotations

import argparse
from pathlib import Path

from trainer.data.options import add_preprocessing, add_selection, names, preprocessing


def _split(args: argparse.Namespace) -> int:
    from trainer.data import dataset, split_command, splits

    fractions = splits.parse_fractions(args.fractions)
    records = dataset.read(args.data, (), args.modality)
    told = split_command.resplit(
        args.data, records, args.out, fractions, args.seed, near=not args.groups_only
    )
    print(told)
    return 0


def _data(args: argparse.Namespace) -> int:
    from trainer.data import dataset, report, tables
    from trainer.data.examine import examine
    from trainer.data.private_files import make_folder

    make_folder(args.out)  # before minutes of work
    records = dataset.read(args.data, args.only, args.modality)
    wanted = set(args.split) or {record.split for record in records}
    unknown = sorted(wanted - {record.split for record in records})
    if unknown:
        known = ", ".join(tables.split_names(records))
        raise dataset.DataError(f"--split names {', '.join(unknown)}; the data has {known}")
    chosen = [record for record in records if record.split in wanted]
    data = examine(args.data, chosen, preprocessing(args))
    page = report.write_report(data, args.out)
    print(tables.terminal(data))
    print(f"report: {page}")
    return 0


def add_commands(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the room's commands."""
    each = sub.add_parser(
        "data",
        help="look at a data set: counts, unusable files, copies, shortcuts; a page that stays here",
        description="Writes report.html, report.json and near_copies.csv into a folder of your own. This is "
        "a look at private data: what is chosen because of it is not covered by epsilon.",
    )
    each.add_argument("data", type=Path, metavar="INDEX", help="CSV index, or a folder per class")
    each.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder, made if missing (0700)")
    each.add_argument("--split", type=names, default=[], help="splits to look at; default: all")
    add_selection(each)
    add_preprocessing(each)
    each.set_defaults(run=_data)

    each = sub.add_parser(
        "split",
        help="divide an index into splits that keep groups and copies together",
        description="Writes an index with a new column split. Groups (column group_id, else patient_id), "
        "known patients, identical files and near copies stay on one side; classes and sources are divided "
        "in proportion.",
    )
    each.add_argument("data", type=Path, metavar="INDEX", help="CSV index, or a folder per class")
    each.add_argument("--out", type=Path, required=True, metavar="INDEX2.csv", help="must not exist")
    each.add_argument("--fractions", default="70,15,15", help="train,val,test or train,test")
    each.add_argument("--seed", type=int, default=0)
    each.add_argument("--modality", default="", help="for a folder: what its images are, for example MRI")
    each.add_argument(
        "--groups-only", action="store_true", help="do not look for near copies (reads no image, is fast)"
    )
    each.set_defaults(run=_split)

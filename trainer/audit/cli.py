"""Command ``trainer audit``."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from trainer.data.options import add_data
from trainer.privacy.cli import add_ledger


def _audit(args: argparse.Namespace) -> int:
    from trainer.audit import material, note, page, report, suite
    from trainer.audit.members import others_than
    from trainer.data import dataset, private_files, sources
    from trainer.evaluation import reads
    from trainer.privacy.ledger import default_folder
    from trainer.training import audit_note, run_record

    kept = run_record.read(args.run_dir)
    record, net = kept.record, kept.net
    every = dataset.read(args.data, args.only, args.modality)
    size = material.QUICK if args.quick else material.Size()
    known = {each.name for each in record.classes}
    members, others = (
        [each for each in every if each.split == split and each.label in known]
        for split in (args.split, args.others)
    )
    if not members:
        dataset.of_split(every, args.split)  # names the splits there are
        raise suite.AuditError(
            f"no image of split {args.split!r} is of a class of the run, {', '.join(sorted(known))}; give "
            "the data that it was trained on"
        )
    found = others_than(record.privacy, args.ledger or default_folder(), members, others)
    others = found.records
    if found.copies:
        print(
            f"{found.copies} images of split {args.others!r} left out: the run was trained on the same files"
        )
    if not found.known:
        print(
            "the ledger holds more images than this research run was trained on: that these are its own, and "
            "the others not, is taken on trust"
        )
    number = 0
    if others:
        # As trainer evaluate counts: the split is that of the whole index, whatever is asked for here.
        index = dataset.read(args.data, (), args.modality)
        whole = reads.split_digest(each for each in index if each.split == args.others)
        number = reads.count_read(whole, args.others, others, kept.files[run_record.NETWORK], args.ledger)
    result = suite.audit(record, net, material.load(members, record), material.load(others, record), size)
    if args.json:
        private_files.write(args.json, json.dumps(result.to_json(), indent=2) + "\n")
    if args.html:
        private_files.write(args.html, page.page(result))
    published = bool(sources.published([*members, *others]))
    left = note.note(result, kept.files, quick=args.quick, published=published)
    print(report.text(result))
    told = "with its figures, of published images" if published else "that it was made, without figures"
    try:
        audit_note.add(args.run_dir, left)
        print(f"noted in {args.run_dir / audit_note.NOTES}; the model card of trainer export tells {told}")
    except audit_note.NoteError as error:
        print(f"trainer audit: {error}", file=sys.stderr)
    if number:
        print(f"read number {number} of images of split {args.others!r} on this workstation")
    if result.contradicted:
        print("trainer audit: the claim is contradicted, see above", file=sys.stderr)
        return 1
    return 0


def add_commands(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``audit``."""
    each = sub.add_parser(
        "audit",
        help="attack a run and its mechanism: membership, canaries, inversion",
        description="Exit code 1 if the claimed epsilon is contradicted. Results stay on the workstation.",
    )
    each.add_argument("--run", type=Path, required=True, dest="run_dir", help="run directory of trainer fit")
    add_data(each, "the data that the run was trained on, as for trainer fit")
    each.add_argument("--split", default="train", help="what the run was trained on")
    each.add_argument("--others", default="val", help="split of images that it was not trained on")
    add_ledger(each)
    each.add_argument("--json", type=Path, help="where to write all figures")
    each.add_argument("--html", type=Path, help="where to write the report with plots and pictures")
    each.add_argument("--quick", action="store_true", help="a small audit in about a minute; shows little")
    each.set_defaults(run=_audit)

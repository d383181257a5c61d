"""The command `edge anonymize`: a file or a folder, by a person's hand."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path


def add_commands(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `anonymize` to the command `edge`."""
    parser = sub.add_parser(
        "anonymize",
        help="write anonymized copies of DICOM files, images and videos",
        description="Writes anonymized copies of a file, or of all files in a folder. Originals are never "
        "changed. Exit code 0: every file was written whole; 1: something was held back, see the report; "
        "2: nothing was started.",
    )
    parser.add_argument("input", type=Path, metavar="IN", help="file or folder")
    parser.add_argument("output", type=Path, metavar="OUT", help="folder for the copies, made if missing")
    parser.add_argument(
        "--report", type=Path, required=True, metavar="FILE.json", help="what became of each file"
    )
    parser.add_argument(
        "--key", type=Path, required=True, metavar="FILE", help="the clinic's key for replacements"
    )
    parser.add_argument("--new-key", action="store_true", help="make the key first; it must not exist")
    parser.add_argument("--remove-dates", action="store_true", help="remove dates instead of shifting them")
    parser.add_argument(
        "--keep",
        metavar="L,T,R,B",
        help="videos: keep this part of the picture alone, as shares of its width and height",
    )
    parser.set_defaults(run=run)


def _refuse(message: str) -> int:
    print(f"edge anonymize: {message}", file=sys.stderr)
    return 2


def _unwritable(path: Path) -> str | None:
    """Why a file cannot be written, found out before hours of work; None if it can."""
    existed = path.exists()
    try:
        with path.open("a", encoding="utf-8"):
            pass
        if not existed:
            path.unlink()
    except OSError as error:
        return error.strerror or type(error).__name__
    return None


def run(args: argparse.Namespace) -> int:
    """Run the command; see `add_commands` for the exit codes."""
    from dataclasses import asdict

    from pydantic import ValidationError

    from edge.anonymize.detectors import load_detectors
    from edge.anonymize.files.one_file import POLICY, FileAnonymizer
    from edge.anonymize.headers.clean import METHOD, Options
    from edge.anonymize.headers.remap import KeyFileError, new_key, read_key
    from edge.settings import Anonymize, Source

    source_dir, out = args.input.resolve(), args.output.resolve()
    if not source_dir.exists():
        return _refuse("IN does not exist")
    if source_dir == out or (source_dir.is_dir() and out.is_relative_to(source_dir)):
        return _refuse("OUT lies inside IN: choose another folder, so that no copy is taken for an original")
    problem = _unwritable(args.report)
    if problem:
        return _refuse(f"--report: the file cannot be written: {problem}; nothing was done")
    try:
        if args.new_key:
            new_key(args.key)
        key = read_key(args.key)
        keep = tuple(float(part) for part in args.keep.split(",")) if args.keep else None
        source = Source.model_validate(
            {"name": "file", "kind": "video", "looks_at": "scene", "whole_scene": keep is None, "keep": keep}
        )
    except KeyFileError as error:
        return _refuse(str(error))
    except (ValueError, ValidationError):
        return _refuse("--keep: expected four shares as left,top,right,bottom, such as 0.2,0.1,0.8,0.9")
    settings = Anonymize()
    detectors = load_detectors(settings)
    if detectors.problems:
        return _refuse("; ".join(detectors.problems))
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return _refuse(f"OUT: {error.strerror}")
    paths = sorted(p for p in source_dir.rglob("*") if p.is_file()) if source_dir.is_dir() else [source_dir]
    anonymizer = FileAnonymizer(
        out, key, settings, detectors, Options(modified_dates=not args.remove_dates), source
    )
    reports = []
    for number, path in enumerate(paths, start=1):
        report = anonymizer.run(path, number)
        reports.append(report)
        print(f"{number}/{len(paths)} {report.kind}: {report.held or 'written'}", file=sys.stderr)
    held = sum(report.held is not None for report in reports)
    summary = {
        "policy": POLICY,
        "headers": METHOD,
        "detectors": {d.name: d.sha256.hex() for d in (detectors.faces, detectors.text)},
        "files": len(reports),
        "written": sum(report.output is not None for report in reports),
        "held": held,
        "results": [asdict(report) for report in reports],
    }
    args.report.write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    print(f"{summary['written']} written, {held} held back", file=sys.stderr)
    return 1 if held else 0

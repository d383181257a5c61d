"""The command `edge anonymize`: a file or an archive, by a person's hand."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from edge.anonymize.files import kept_arguments, profile_arguments

if TYPE_CHECKING:
    from edge.anonymize.files.archive import Job

_DESCRIPTION = """\
Write anonymized copies of a file, or of all files below a folder. Originals are only read. Copies
lie in OUT/PATIENT/STUDY/SERIES/OBJECT.dcm (IMAGES/ and VIDEOS/ for what is no DICOM), under opaque
names that the key alone can make again; a patient's folder is the Patient ID of the copies.

Only what was looked at is written. Structured reports, encapsulated documents, waveforms, raw data,
presentation states, video streams and DICOMDIR are held back, each with its reason in the report.

Videos are held back until you say what of them may be kept: --keep, or --whole-scene. Images and objects
that are kept whole are held back if a name may stand in them in a script that the text detectors are not
proved to find (their header is written in it, or --script names it).

Slices of which a face could be rendered (CT, MR, PET of a head, or of a body whose part is not known)
are held back, too. With --option clean-recognizable-visual-features the face is cut off where that can
be shown to have worked: in CT, given all slices of the series in one folder.

The report is JSON lines, written as the run goes: how it was made, each file, and a summary. It
names originals by number and by opaque names. A run that was stopped, by whatever, goes on with
the same command and --resume (without --new-key, which makes a key but once).

exit code: 0 every file has a whole copy
           1 something was held back or skipped; the report says what and why
           2 nothing was started: the message says what to change
           3 stopped before the end, for want of room or of workers: go on with --resume
           128 + n stopped by signal n (130: Ctrl-C): go on with --resume
"""
_GIB = 1 << 30


def add_commands(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `anonymize` to the command `edge`."""
    parser = sub.add_parser(
        "anonymize",
        help="write anonymized copies of DICOM files, images and videos",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("input", type=Path, metavar="IN", help="file or folder")
    add("output", type=Path, metavar="OUT", help="folder for the copies, made if missing")
    add("--report", type=Path, required=True, metavar="FILE", help="what became of each file, as JSON lines")
    add("--key", type=Path, required=True, metavar="FILE", help="the clinic's key for replacements")
    add("--new-key", action="store_true", help="make the key first; it must not exist")
    add("--resume", action="store_true", help="go on where the report ends; begins it if there is none")
    add("--jobs", type=_whole, default=None, metavar="N", help="files at once (one for each core)")
    add(
        "--linkage",
        type=Path,
        metavar="FILE",
        help="also write which original became which copy: this list undoes the anonymization",
    )
    add(
        "--memory",
        type=_whole,
        default=4,
        metavar="GIB",
        help="memory that one file may take; larger ones are held (4)",
    )
    add(
        "--timeout",
        type=_whole,
        default=600,
        metavar="S",
        help="hold a file after so many seconds at one frame (600)",
    )
    kept_arguments.add(parser)
    profile_arguments.add(parser)
    parser.set_defaults(run=run)


def _whole(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("expected a whole number, 1 or more")
    return number


def _say(message: str) -> None:
    print(f"edge anonymize: {message}", file=sys.stderr)


def _refuse(message: str) -> int:
    _say(message)
    return 2


def _misplaced(args: argparse.Namespace, source: Path) -> Iterator[str]:
    """Why paths cannot be as they are."""
    if not source.exists():
        yield "IN does not exist"
    out = args.output.resolve()
    if source == out or (source.is_dir() and out.is_relative_to(source)):
        yield "OUT lies inside IN: choose another folder, so that no copy is taken for an original"
    written = {
        "--report": args.report,
        "--linkage": args.linkage,
        "--key": args.key if args.new_key else None,
    }
    for name, path in written.items():
        if path is not None and source.is_dir() and path.resolve().is_relative_to(source):
            yield f"{name}: the file would lie inside IN, where nothing is written: choose another place"
        if path is not None and path.resolve() == source:
            yield f"{name}: the file is IN itself"
    if args.linkage is not None and args.linkage.resolve().is_relative_to(out):
        yield "--linkage: the list would lie among the copies: keep it where the copies never go"
    for name, path in written.items():
        problem = None if path is None or name == "--key" else _unwritable(path)
        if problem is not None:
            yield f"{name}: the file cannot be written: {problem}; nothing was done"


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
    """Run the command; see its description for the exit codes."""
    from edge import __version__
    from edge.anonymize.files import archive, journal
    from edge.anonymize.files.names import Names
    from edge.anonymize.files.one_file import POLICY
    from edge.anonymize.files.workers import Setup
    from edge.anonymize.headers.options import Options, UnknownOptionError
    from edge.anonymize.headers.remap import KeyFileError, new_key, read_key
    from edge.anonymize.models import ANY_SCRIPT, PP_OCR_DET
    from edge.anonymize.text.evidence import Trust, proved

    source_dir = args.input.resolve()
    problem = next(_misplaced(args, source_dir), None)
    if problem is not None:
        return _refuse(problem)
    try:
        kept = kept_arguments.chosen(args)
    except kept_arguments.WrongKeepError as error:
        return _refuse(f"--keep: {error}")
    names = profile_arguments.chosen(args)
    try:
        method = Options.from_names(names).method()
    except UnknownOptionError as error:
        return _refuse(f"--option: {error}")
    missing = Trust(kept.scripts, proved((ANY_SCRIPT.sha256, PP_OCR_DET.sha256))).missing()
    if kept.scripts == ("latin",):
        _say("names in images are taken to be in Latin letters; where other ones may be burned in: --script")
    if missing:
        _say(f"the text detectors are not proved to find {', '.join(missing)}: whole images are held back")
    try:
        if args.new_key:
            new_key(args.key)
        key = read_key(args.key)
    except KeyFileError as error:
        return _refuse(str(error))
    try:
        args.output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return _refuse(f"OUT: {error.strerror}")
    job = archive.Job(
        source=source_dir,
        out=args.output.resolve(),
        report=args.report,
        linkage=args.linkage,
        resume=args.resume,
        jobs=args.jobs or len(os.sched_getaffinity(0)),
        setup=Setup(
            key, names, kept.source, kept.scripts, kept.scanners, args.memory * _GIB, float(args.timeout)
        ),
        run={
            "format": journal.FORMAT,
            "software": __version__,
            "policy": POLICY,
            "headers": "; ".join(method),
            "options": list(names),
            **kept.recorded,
            "key": Names(key).key_id(),
        },
    )
    return _run(job)


def _run(job: Job) -> int:
    from edge.anonymize.files import archive
    from edge.anonymize.files.journal import JournalRefusedError
    from edge.anonymize.files.staged import OutputFailed
    from edge.anonymize.files.summary import in_words
    from edge.anonymize.files.workers import WorkersUnavailableError

    go_on = "; go on with the same command and --resume (without --new-key)"
    if job.linkage is not None:
        _say("--linkage: the list names the originals and undoes the anonymization: guard it like the key")
    try:
        ended = archive.run(job)
    except (JournalRefusedError, archive.NotStartedError) as error:
        return _refuse(str(error))
    except WorkersUnavailableError as error:
        _say(f"stopped: {error}")
        return 3
    except OutputFailed as error:
        _say(f"stopped: OUT or the report cannot be written: {os.strerror(error.code)}{go_on}")
        return 3
    except KeyboardInterrupt:
        _say("stopped before the first file")
        return 130
    print(in_words(ended.summary))
    if ended.signal is not None:
        _say(f"stopped by signal {ended.signal}; every copy so far is whole{go_on}")
        return 128 + ended.signal
    outcomes = ended.summary["outcomes"]
    whole = outcomes.get("written", 0) + outcomes.get("duplicate", 0)
    return 0 if whole == ended.summary["files"] else 1

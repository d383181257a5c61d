"""The command ``edge``: one room a group of subcommands, each imported only when it is asked for."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from edge import __version__
from edge.settings import DEFAULT_PATH, SettingsError, annotated_default

_ROOMS = (
    "edge.capture.cli",
    "edge.anonymize.files.cli",
    "edge.classify.cli",
    "edge.layout_cli",
    "edge.quarantine_cli",
    "edge.enroll_cli",
    "edge.leak_cli",
    "edge.clinic.cli",
)
"""Where subcommands come from. A package may leave a room out: the box has no clinic, the clinic no box."""

_RUN_HELP = """\
Run the box in the foreground, as edge.service does: READY after warm-up and self-test.

signals:   SIGTERM drains and stops, SIGHUP reads settings and manifest again
exit code: 0 stopped on request
           69 a part of the box is not there (model, detectors, golden outputs not met)
           70 an error of the box itself
           78 settings, keys or paths are wrong; the message says which, where, and what was expected
"""


def _add_run(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = sub.add_parser(
        "run",
        help="run the box",
        description=_RUN_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--settings", type=Path, default=DEFAULT_PATH, help="settings file")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from edge.wiping import overwrite_freed_memory

    overwrite_freed_memory()
    from edge.daemon import serve

    return serve(args.settings)


def _add_settings(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = sub.add_parser("settings", help="print the default settings, or check a file")
    parser.add_argument("--check", type=Path, metavar="FILE", help="say what is wrong with this file")
    parser.set_defaults(run=_settings)


def _settings(args: argparse.Namespace) -> int:
    if args.check is None:
        print(annotated_default())
        return 0
    from edge.settings import load, missing_paths

    text = args.check.read_text(encoding="utf-8") if args.check.exists() else ""
    settings = load(args.check)
    missing = missing_paths(settings, text, str(args.check))
    for line in (*missing, *settings.blind_sources()):
        print(line, file=sys.stderr)
    if not missing:
        print(f"{args.check}: every key and path is in order")
        print(f"settings of anonymization {settings.anonymization_digest().hex()[:16]}")
    return 78 if missing else 0


def _add_bench(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = sub.add_parser(
        "bench",
        help="measure the data path on one video",
        description="Measure the whole data path in one run.",
    )
    parser.add_argument("--settings", type=Path, default=DEFAULT_PATH, help="settings of an enrolled box")
    parser.add_argument("--source", type=Path, required=True, help="video file")
    parser.add_argument("--seconds", type=float, default=20.0, help="how long to measure")
    parser.add_argument(
        "--pace", choices=("real", "fast"), default="real", help="the video's own pace, or no pace"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=_bench)


def _bench(args: argparse.Namespace) -> int:
    from edge.wiping import overwrite_freed_memory

    overwrite_freed_memory()  # what the box does costs time, so it is measured
    from edge.bench import main as bench

    return bench(args.settings, args.source, args.seconds, pace=args.pace, as_json=args.json)


def parser() -> argparse.ArgumentParser:
    """The parser with the subcommands of every installed room."""
    top = argparse.ArgumentParser(
        prog="edge", description="Anonymize, classify and publish medical frames; manage the boxes that do."
    )
    top.add_argument("--version", action="version", version=f"edge {__version__}")
    sub = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_run(sub)
    _add_settings(sub)
    _add_bench(sub)
    for name in _ROOMS:
        if _installed(name):
            importlib.import_module(name).add_commands(sub)
    return top


def _installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # a package above it is absent
        return False


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand; return its exit code."""
    args = parser().parse_args(argv)
    try:
        return int(args.run(args))
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 78
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())

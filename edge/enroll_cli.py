"""``edge init-box``: the box's half of joining a clinic."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from edge.settings import DEFAULT_PATH

_CLOCK_SANE_MS = 1_700_000_000_000  # 2023; a clock that shows less was never set


def add_commands(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``edge init-box``."""
    parser = sub.add_parser(
        "init-box",
        help="make this box's keys and join a clinic",
        description="Make the keys that this box lacks and write a request file for `edge clinic add-box`; "
        "with --accept, check and install the package file that the clinic gave back.",
    )
    parser.add_argument("--settings", type=Path, default=DEFAULT_PATH, help="settings file")
    parser.add_argument(
        "--request", type=Path, default=Path("box.request"), metavar="FILE", help="request file to write"
    )
    parser.add_argument("--accept", type=Path, metavar="FILE", help="install the clinic's package FILE")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from edge.enroll import EnrolError, accept, init_box, write_request  # noqa: PLC0415 - `edge --help` is quick
    from edge.settings import SettingsError, load  # noqa: PLC0415
    from edge.wire.keys import KeyFileError  # noqa: PLC0415

    try:
        settings = load(args.settings)
        if args.accept:
            now_ms = int(time.time() * 1000)
            done = accept(settings, args.accept.read_bytes(), now_ms if now_ms > _CLOCK_SANE_MS else None)
            _say(f"{settings.box.device} joined; manifest version {done.manifest_version}")
            _say(f"clinic root {done.root_fingerprint}: compare it with what the clinic shows")
            for note in done.notes:
                _say(f"note: {note}")
        else:
            request = init_box(settings)
            args.request.write_bytes(write_request(request))
            _say(f"request written to {args.request}; take it to the clinic: edge clinic add-box")
            _say(f"box {request.device} {request.fingerprint}: compare it with what the clinic shows")
    except (EnrolError, KeyFileError, SettingsError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - a command's output
        return 2
    return 0


def _say(line: str) -> None:
    print(line)  # noqa: T201 - a command's output

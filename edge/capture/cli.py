"""The command ``edge capture``."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import NoReturn


def add_commands(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``capture`` to the command ``edge``."""
    parser = sub.add_parser(
        "capture", help="run the capture process: DICOM receiver, folders, cameras, videos"
    )
    parser.add_argument("--settings", type=Path, default=None, help="settings file")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> NoReturn:
    """Become the capture process: `edge.capture_process` stands above this room, so it is not imported."""
    options = ["--settings", str(arguments.settings)] if arguments.settings else []
    os.execv(sys.executable, [sys.executable, "-m", "edge.capture_process", *options])  # noqa: S606

"""``edge quarantine``: what the box held back for a person to look at. Local, and each deed is audited."""

# ruff: noqa: PLC0415, T201 - imports wait until they are needed; this is a command's output

from __future__ import annotations

import argparse
import getpass
import os
import sys
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from edge.settings import DEFAULT_PATH, Settings, load

if TYPE_CHECKING:
    from edge.imaging.frames import Pixels
    from edge.store.objects import Item
    from edge.store.quarantine import Quarantine

_SHOW = """\
Write one object as a picture for a technician, into a file that nobody else can read.

The picture may show a patient: remove the file when you have seen it. That you looked is noted in the audit
log before the file is written.
"""
_RELEASE = """\
Have one object anonymized again. Nothing leaves unless it passes by what is signed and configured now: for a
screen of unknown layout, first sign a template (edge layout learn, edge clinic sign-layout) and name it in
the source's setting `layouts`. What is held back once more returns here.
"""

Deed = Callable[[argparse.Namespace, Settings, "Quarantine"], int]


class _Refused(Exception):  # noqa: N818 - a message for the person at the keyboard
    pass


def add_commands(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``edge quarantine`` and what is under it."""
    top = sub.add_parser("quarantine", help="what the box held back for a person to look at")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add(commands, "list", "say what is there: no picture, no name", _list, one=False)
    show = _add(commands, "show", "write one object as a picture", _show, _SHOW)
    show.add_argument("--out", type=Path, required=True, metavar="FILE", help="PNG file to write")
    show.add_argument("--frame", type=int, default=1, metavar="N", help="of several frames (default: 1)")
    _add(commands, "release", "have one object anonymized again", _release, _RELEASE)
    _add(commands, "discard", "erase one object, its key first", _discard)
    _add(commands, "audit", "check that no line of the audit log was altered or taken out", _audit, one=False)


def _add(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    what: str,
    deed: Deed,
    description: str | None = None,
    *,
    one: bool = True,
) -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = commands.add_parser(name, help=what, description=description or what, formatter_class=raw)
    if one:
        parser.add_argument("id", metavar="ID", help="as listed, or as much of it as is unique")
    parser.add_argument("--settings", type=Path, default=DEFAULT_PATH, help="settings file")

    def run(args: argparse.Namespace) -> int:
        from edge.store.objects import Damaged

        try:
            settings = load(args.settings)
            return deed(args, settings, _open(settings))
        except (_Refused, Damaged, OSError) as error:
            print(f"error: {error}", file=sys.stderr)
        except KeyError:
            print("error: it is not in quarantine any more", file=sys.stderr)
        return 2

    parser.set_defaults(run=run)
    return parser


def _open(settings: Settings) -> Quarantine:
    from edge.store.inbox_crypto import load_private
    from edge.store.quarantine import Quarantine

    state = settings.box.state
    owner = state.stat().st_uid
    if os.geteuid() != owner:  # files of another user would lock the daemon out of its own quarantine
        raise _Refused(f"run it as the box's user, who owns {state}: sudo -u '#{owner}' edge quarantine ...")
    return Quarantine(state / "quarantine", load_private(state / "keys" / "disk.key"))


def _person() -> str:
    return os.environ.get("SUDO_USER") or getpass.getuser()


def _chosen(args: argparse.Namespace, quarantine: Quarantine) -> bytes:
    fitting = [entry.id for entry in quarantine.entries() if entry.id.hex().startswith(args.id.lower())]
    if len(fitting) != 1:
        raise _Refused(f"{args.id}: expected an id of edge quarantine list; {len(fitting)} objects have it")
    return fitting[0]


def _list(_: argparse.Namespace, __: Settings, quarantine: Quarantine) -> int:
    for entry in quarantine.entries():
        when = datetime.fromtimestamp(entry.received_ms / 1000, timezone.utc).strftime("%Y-%m-%d %H:%M:%SZ")
        state = "released, waits for the box" if entry.released else ""
        words = (
            entry.id.hex(),
            when,
            entry.reason,
            entry.kind,
            entry.source,
            f"{entry.bytes >> 10} KiB",
            state,
        )
        print("  ".join(word for word in words if word))
    return 0


def _show(args: argparse.Namespace, settings: Settings, quarantine: Quarantine) -> int:
    from edge.anonymize.files.picture import encode as png

    object_id = _chosen(args, quarantine)
    picture = png(_pixels(quarantine.open(object_id), args.frame, settings))
    quarantine.note(object_id, "show", _person())
    with os.fdopen(os.open(args.out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(picture)
    print(f"{args.out}: it may show a patient; remove it when you have seen it")
    return 0


def _pixels(item: Item, number: int, settings: Settings) -> Pixels:
    from edge.capture.client import CaptureLost
    from edge.capture.decode_once import decode_once
    from edge.capture.decode_pool import PoolLimits
    from edge.imaging.decoded import DecodeLimits, Undecodable
    from edge.store.quarantine import as_frame

    if item.kind == "frame":
        return as_frame(item, 0).pixels
    decode = settings.decode
    limits = PoolLimits(
        DecodeLimits(decode.max_pixels, decode.max_frames, decode.max_bytes),
        settings.dicom.max_object + (1 << 20),
        decode.memory,
        decode.timeout,
    )
    try:
        frames = decode_once(item.kind, item.data, limits).frames
    except (Undecodable, CaptureLost) as error:
        raise _Refused(f"there is no picture in it: {type(error).__name__}") from error
    if not 1 <= number <= len(frames):
        raise _Refused(f"expected a frame of 1 to {len(frames)}")
    return frames[number - 1]


def _release(args: argparse.Namespace, settings: Settings, quarantine: Quarantine) -> int:
    object_id = _chosen(args, quarantine)
    item = quarantine.open(object_id)
    screens = {source.name for source in settings.source if source.looks_at == "screen"}
    if item.kind == "frame" and item.source not in screens:
        raise _Refused(
            f"a single frame of {item.source} cannot be judged again, since frames of cameras are judged in"
            " a row; only a source that looks_at a screen can; discard it"
        )
    quarantine.release(object_id, _person(), settings.box.state / "inbox")
    print("released: the box anonymizes it again, and it returns here if it is held back once more")
    return 0


def _discard(args: argparse.Namespace, _: Settings, quarantine: Quarantine) -> int:
    quarantine.discard(_chosen(args, quarantine), _person())
    print("erased")
    return 0


def _audit(_: argparse.Namespace, __: Settings, quarantine: Quarantine) -> int:
    from edge.store import audit

    checked = audit.check(quarantine.audit_log)
    if checked.broken:
        print(f"line {checked.broken} of {checked.lines} does not follow the one before it", file=sys.stderr)
        return 1
    print(f"{checked.lines} lines, each follows the one before it; the last is {checked.last}")
    return 0

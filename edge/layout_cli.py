"""``edge layout``: what of a scanner's screen is kept, proposed from samples and checked against others."""

# ruff: noqa: PLC0415, T201 - imports wait until they are needed; this is a command's output

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge.anonymize.layout.learn import Proposal
    from edge.imaging.layout_template import LayoutTemplate

_LEARN = """\
Propose what of a scanner's screen is kept, from frames without a DICOM header (PNG, JPEG, video).

Give samples of one screen at one resolution that show several patients: what changes is image or a
patient's field, what stands still is the screen's frame. Two files are written: OUT, the draft, and
OUT.png, which shows it on a sample for a technician to look at. The picture may show a patient.

A box takes no draft: whoever looked at the picture signs it with `edge clinic sign-layout`.
"""
_CHECK = """\
Compare samples with a template, each by its number. A template's signature is not checked here.

exit code: 0 all samples have the template's layout
           1 at least one has not: the box would hold it back, unknown_layout
           2 a file cannot be read
"""


def add_commands(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``edge layout`` and what is under it."""
    top = sub.add_parser("layout", help="scanner screens without a DICOM header: what of them is kept")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    raw = argparse.RawDescriptionHelpFormatter
    learn = commands.add_parser(
        "learn", help="propose a template from samples", description=_LEARN, formatter_class=raw
    )
    learn.add_argument("samples", type=Path, nargs="+", metavar="SAMPLE", help="PNG, JPEG or video file")
    learn.add_argument("--out", type=Path, required=True, metavar="FILE", help="draft to write")
    learn.add_argument("--name", default="screen", help="name of the layout (default: %(default)s)")
    learn.add_argument("--version", type=int, default=1, help="rises with each template of this name")
    learn.set_defaults(run=_learn)
    show = commands.add_parser("show", help="say what a template keeps")
    show.add_argument("template", type=Path, metavar="FILE", help="draft or signed template")
    show.set_defaults(run=_show)
    check = commands.add_parser(
        "check", help="compare samples with a template", description=_CHECK, formatter_class=raw
    )
    check.add_argument("template", type=Path, metavar="FILE", help="draft or signed template")
    check.add_argument("samples", type=Path, nargs="+", metavar="SAMPLE", help="PNG, JPEG or video file")
    check.set_defaults(run=_check)


def _fail(message: object) -> int:
    print(f"error: {message}", file=sys.stderr)
    return 2


def _learn(args: argparse.Namespace) -> int:
    from pydantic import ValidationError

    from edge.anonymize.detectors import load_detectors
    from edge.anonymize.files.picture import encode as png
    from edge.anonymize.layout import picture, samples
    from edge.anonymize.layout.learn import LearnError, learn
    from edge.anonymize.models import DetectorUnavailable
    from edge.settings import Anonymize
    from edge.wire.codec import encode
    from edge.wire.layouts import digest

    try:
        frames = samples.read(args.samples)
        texts = load_detectors(Anonymize()).texts
        found = [[box for finder in texts for box in finder.find(frame)] for frame in frames]
        proposal = learn(frames, found, args.name, args.version)
        shown = picture.draw(proposal, frames[0], digest(proposal.template))
        _write(args.out, encode(proposal.template))
        _write(_picture_of(args.out), png(shown))
    except ValidationError:
        return _fail("expected a name of a-z, 0-9, _ . and - and a version of 1 or more")
    except (LearnError, samples.SampleError, DetectorUnavailable, OSError) as error:
        return _fail(error)
    _tell(proposal.template)
    _warn(proposal, len(frames))
    print(f"draft {args.out}, picture {_picture_of(args.out)}: look at it, it may show a patient")
    print(f"then: edge clinic sign-layout DIR {args.out} --confirm {digest(proposal.template)}")
    return 0


def _picture_of(out: Path) -> Path:
    return out.with_name(out.name + ".png")


def _write(path: Path, data: bytes) -> None:
    """Owner-only, and never over a file that is there."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)


def _warn(proposal: Proposal, frames: int) -> None:
    print(f"learnt from {frames} frames")
    if proposal.texts_inside:
        print(
            f"note: {len(proposal.texts_inside)} texts lie in what is kept; each frame is searched for text,"
            " but what the detector misses would stay"
        )
    if proposal.texts_static:
        print(
            f"note: {len(proposal.texts_static)} texts are the same in all samples; if one is a patient's,"
            " learn again with samples of several patients"
        )


def _tell(template: LayoutTemplate) -> None:
    from edge.wire.layouts import digest

    print(f"layout {template.name} version {template.version}, {template.columns} x {template.rows} pixels")
    for r in template.keep:
        share = (r.right - r.left) * (r.bottom - r.top) / (template.rows * template.columns)
        print(f"keeps {r.left}, {r.top} to {r.right}, {r.bottom} (left, top, right, bottom): {share:.0%}")
    print(f"chrome that must not change: {template.chrome_mask().mean():.0%} of the frame")
    print(f"digest {digest(template)}")


def _show(args: argparse.Namespace) -> int:
    from edge.wire.layouts import LayoutError, read_unverified

    try:
        template, signed = read_unverified(args.template.read_bytes())
    except (LayoutError, OSError) as error:
        return _fail(f"{args.template}: {error}; expected a file of edge layout learn")
    _tell(template)
    print("signed; the signature was not checked" if signed else "a draft: no box takes it unsigned")
    return 0


def _check(args: argparse.Namespace) -> int:
    from edge.anonymize.layout import samples
    from edge.anonymize.layout.match import matches
    from edge.wire.layouts import LayoutError, read_unverified

    try:
        template, _ = read_unverified(args.template.read_bytes())
        frames = samples.read(args.samples)
    except (LayoutError, samples.SampleError, OSError) as error:
        return _fail(error)
    decisions = [matches(template, frame) for frame in frames]
    for number, d in enumerate(decisions, 1):
        figures = f"largest change {d.patch} cells, {d.share:.2%} of the chrome, drift {d.drift:+.1f}"
        print(f"frame {number}: {d.why.replace('_', ' ')} ({figures})")
    return 0 if all(d.matches for d in decisions) else 1

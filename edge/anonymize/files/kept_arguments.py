"""Arguments of `edge anonymize` that say what may be kept: scripts, scanners, parts of videos."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import ValidationError

from edge.settings import Scanner, Script, Source


class WrongKeepError(Exception):
    """--keep is not what it should be; the message says what is."""


@dataclass(frozen=True)
class Kept:
    """What was said."""

    source: dict[str, Any]
    """How videos are looked at, as a `Source`."""
    scripts: tuple[str, ...]
    scanners: tuple[dict[str, Any], ...]

    @property
    def recorded(self) -> dict[str, Any]:
        """For the report: a run goes on only with the same."""
        video = {name: self.source[name] for name in ("keep", "whole_scene")}
        return {"scripts": list(self.scripts), "scanners": list(self.scanners), "videos": video}


def add(parser: argparse.ArgumentParser) -> None:
    """Add them."""
    argument = parser.add_argument
    argument(
        "--script",
        action="append",
        default=[],
        choices=get_args(Script),
        metavar="NAME",
        help="a script, beside latin, in which names may be burned into images; repeatable. Whole images "
        f"are held if the text detectors are not proved to find one of them. {', '.join(get_args(Script))}",
    )
    argument(
        "--scanner",
        action="append",
        default=[],
        type=_scanner,
        metavar="MAKER/MODEL=L,T,R,B",
        help="CR, DX, US and the like of this scanner, as their headers name it: keep this part of the image "
        "alone, as shares of its width and height; can be repeated",
    )
    video = parser.add_mutually_exclusive_group().add_argument
    video("--keep", metavar="L,T,R,B", help="videos: keep this part of the picture alone, as shares")
    video("--whole-scene", action="store_true", help="videos: keep all of the picture but faces and text")


def chosen(args: argparse.Namespace) -> Kept:
    """What was said.

    Raises:
        WrongKeepError: --keep is not four shares.
    """
    try:
        source = {
            "name": "file",
            "kind": "video",
            "looks_at": "scene",
            "whole_scene": args.whole_scene,
            "keep": None if args.keep is None else _shares(args.keep),
        }
        Source.model_validate(source)
    except (ValueError, ValidationError):
        raise WrongKeepError(
            "expected four shares as left,top,right,bottom, such as 0.2,0.1,0.8,0.9"
        ) from None
    return Kept(source, tuple(sorted({"latin", *args.script})), tuple(args.scanner))


def _shares(text: str) -> list[float]:
    return [float(part) for part in text.split(",")]


def _scanner(text: str) -> dict[str, Any]:
    device, _, shares = text.rpartition("=")
    maker, _, model = device.partition("/")
    try:
        said = {"manufacturer": maker, "model": model, "keep": _shares(shares)}
        return Scanner.model_validate(said).model_dump(mode="json")
    except (ValueError, ValidationError):
        raise argparse.ArgumentTypeError("expected such as ACME/DR-500=0,0.08,1,1") from None

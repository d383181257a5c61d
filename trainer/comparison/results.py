"""One file for each finished repetition of a row, written whole or not at all."""

from __future__ import annotations

import json
import os
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from trainer.comparison.recipes import ComparisonError, Effort

FOLDER, FAILED = "results", "failed"


class Result(BaseModel):
    """What one repetition gave."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    row: str
    repetition: int
    """From 1."""
    key: str
    """SHA-256 over everything that the figures depend on but chance: settings, images, network."""
    effort: Effort
    made: str
    split: str
    split_sha256: str
    split_reads: int
    images: int
    groups: int
    left_out: int
    settings: dict[str, Any]
    search: dict[str, Any] | None
    """How settings were chosen on held-out training groups, where they were."""
    privacy: dict[str, Any] | None
    parameters: int
    device: str
    gpu: bool
    cost: dict[str, float | None]
    notes: tuple[str, ...]
    headlines: dict[str, float]
    draws: dict[str, list[float]]
    figures: dict[str, Any]


def now() -> str:
    """The time in UTC."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def path(folder: Path, row: str, repetition: int, kind: str = FOLDER) -> Path:
    """Where a repetition's file is."""
    return folder / kind / f"{row}-{repetition}.json"


def write(target: Path, text: str) -> None:
    """Write a file so that it is whole on the disk or not there, also when power goes (0600)."""
    target.parent.mkdir(parents=True, exist_ok=True)
    half = target.with_name(target.name + ".part")
    half.unlink(missing_ok=True)  # what a killed call left may be open to others
    handle = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    half.replace(target)


def save(folder: Path, result: Result) -> None:
    """Keep a result; a failure of the same repetition is forgotten."""
    write(path(folder, result.row, result.repetition), result.model_dump_json() + "\n")
    path(folder, result.row, result.repetition, FAILED).unlink(missing_ok=True)


def load(folder: Path) -> dict[tuple[str, int], Result]:
    """All results of a folder, by row and repetition.

    Raises:
        ComparisonError: a file is no result.
    """
    out = {}
    for file in sorted((folder / FOLDER).glob("*.json")):
        try:
            result = Result.model_validate_json(file.read_bytes())
        except (OSError, ValidationError) as error:
            first = str(error).splitlines()[0]
            raise ComparisonError(f"{file} is no result of a comparison ({first}); take it away") from None
        out[result.row, result.repetition] = result
    return out


def fail(folder: Path, row: str, repetition: int, reason: str) -> None:
    """Remember why a repetition came to nothing."""
    write(path(folder, row, repetition, FAILED), json.dumps({"reason": reason, "at": now()}) + "\n")


def failures(folder: Path) -> dict[tuple[str, int], str]:
    """Why repetitions came to nothing the last time."""
    out = {}
    for file in sorted((folder / FAILED).glob("*.json")):
        row, _, repetition = file.stem.rpartition("-")
        try:
            out[row, int(repetition)] = str(json.loads(file.read_bytes())["reason"])
        except (OSError, ValueError, KeyError):
            continue  # It only explains a gap; the gap stands in the table either way.
    return out

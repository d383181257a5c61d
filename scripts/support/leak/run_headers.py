"""Run the header cases through `edge anonymize`'s own code and its peers, and search what leaves."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path

import pydicom

from support.leak import header_cases, planting
from support.leak.header_cases import HeaderCase
from support.leak.outcome import FileResult, Outcome
from support.leak.parallel import in_order
from support.leak.run_text import anonymizer

Tool = Callable[[Path, Path], str | None]
"""Takes an original and an empty folder for what it makes of it; gives why nothing was made, or None."""


def ours() -> Tool:
    """Ours, with its report beside its copies, as an archive has them."""
    files = anonymizer("latin", trusted=True)

    def run(path: Path, out: Path) -> str | None:
        copy = out / "copy"
        report = files.run(path, 1, copy)
        (out / "report.jsonl").write_text(json.dumps(asdict(report)), encoding="utf-8")
        if report.output is None:
            copy.unlink(missing_ok=True)
            return report.reason or report.outcome
        place = out / report.output
        place.parent.mkdir(parents=True)
        copy.rename(place)
        return None

    return run


def _dicom_anonymizer() -> Tool:
    from dicomanonymizer.anonymizer import anonymize

    def run(path: Path, out: Path) -> str | None:
        anonymize(str(path), str(out), {}, True)
        return None

    return run


def _deid() -> Tool:
    from deid.config import DeidRecipe
    from deid.dicom import replace_identifiers

    recipe = DeidRecipe()

    def run(path: Path, out: Path) -> str | None:
        replace_identifiers([str(path)], deid=recipe, save=True, output_folder=str(out), remove_private=True)
        return None

    return run


@cache
def _tools() -> dict[str, Tool]:
    logging.disable(logging.CRITICAL)
    return {"edge": ours(), "dicom-anonymizer": _dicom_anonymizer(), "deid": _deid()}


def found(folder: Path, word: str, codec: str) -> str:
    """Where below ``folder`` the word stands: file name, bytes or elements; empty if nowhere."""
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        if word.upper() in str(path.relative_to(folder)).upper():
            return "file name"
        data = path.read_bytes()
        if planting.in_bytes(data, word, codec):
            return "bytes"
        if data[128:132] == b"DICM" and planting.in_elements(pydicom.dcmread(io.BytesIO(data)), word):
            return "elements"
    return ""


def run_case(case: HeaderCase, data: str) -> FileResult:
    """One object, by every tool."""
    with warnings.catch_warnings(), tempfile.TemporaryDirectory(prefix="edge-leak-") as folder:
        warnings.simplefilter("ignore")
        given = Path(folder) / "given"
        given.mkdir()
        path = given / case.file_name
        path.write_bytes(header_cases.original(case, Path(data)))
        result = FileResult(case.number, case.source, bool(found(given, case.word, case.codec)))
        for name, tool in _tools().items():
            out = Path(folder) / name
            out.mkdir()
            result.outcomes[name] = outcome(tool, path, out, case)
    return result


def outcome(tool: Tool, path: Path, out: Path, case: HeaderCase) -> Outcome:
    """What a tool makes of one original. What it wrote before it failed has left, too."""
    started = time.process_time()
    result = Outcome()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            result.held = tool(path, out)
        except (Exception, SystemExit) as error:  # noqa: BLE001  # a peer may break in any way
            result.held = type(error).__name__
    result.seconds = time.process_time() - started
    result.where = found(out, case.word, case.codec)
    result.leaking = bool(result.where)
    return result


def run_all(cases: Sequence[HeaderCase], data: Path, jobs: int | None = None) -> Iterator[FileResult]:
    """All cases, in order, with a line of progress now and then."""
    arguments = [(case, str(data)) for case in cases]
    return in_order(run_case, arguments, "header cases", jobs or os.cpu_count() or 1)

"""scripts/bench leak: plant identities, run the box's own rooms over them, and look at what leaves."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from support.leak import (
    budget,
    drawn,
    fonts,
    header_cases,
    page,
    real_videos,
    report,
    report_files,
    room_cases,
    run_headers,
    run_peers,
    run_room,
    run_text,
    run_utility,
    run_video,
    script_proof,
    sheet,
    sources,
    text_cases,
)
from support.leak.outcome import FileResult
from support.leak.screens import DETECTOR_DECIDES, LAYOUTS
from support.leak.video_cases import FRAMES
from support.leak.video_cases import cases as video_cases
from support.peers import presidio_peer
from support.peers.environment import PeerMissingError
from trainer.detectors.faces import portraits

_ROOT = Path(__file__).resolve().parents[3]
_CACHE = _ROOT / ".cache" / "leak"
_WHOLE = "Time is that of whole tools, ours with its look at pixels; bench_headers.py times headers alone."
_PEER_CASES = 60
"""The first so many video cases go through deface, too: it takes seconds a case."""
_ALONE_CASES = 140
"""The first so many cases of text in a room run again without faces: a false one must hide no line."""


@dataclass(frozen=True)
class Run:
    """What is wanted of a part."""

    data: Path
    count: int | None
    """The first so many cases; None for all."""
    pictures: Path
    """The contact sheet to write."""
    tune: bool
    """Cases by which rules are chosen, instead of those that judge."""

    @property
    def judges(self) -> bool:
        """Whether the figures are those of the docs and of the box."""
        return self.count is None and not self.tune


def video(run: Run) -> dict[str, Any]:
    """The video cases: table, contact sheet, figures."""
    data = run.data
    if not (data / "faces" / "portraits").is_dir():
        raise SystemExit(f"{data / 'faces' / 'portraits'}: not there; name the data in EDGE_DATA")
    names = portraits.names("tune" if run.tune else "bench")
    planned = video_cases(names, tune=run.tune)[: run.count]
    results = list(run_video.run_all(planned, data))
    _check_control([result.control >= 0.99 for result in results], "identities")
    rows = report.rows(planned, results)
    # Of real videos there are too few to choose by some and judge by others.
    real = [] if run.tune else list(real_videos.run(data / "faces" / "files", run_video.detectors()))
    tables = [report.markdown(rows), *([real_videos.markdown(real)] if real else [])]
    peers: list[run_peers.PeerResult] = []
    try:
        peers = run_peers.run(planned[:_PEER_CASES], str(data))
        tables.append(run_peers.markdown(results, peers))
    except PeerMissingError as error:
        tables.append(f"deface: NOT RUN, {error}")
    print("\n\n".join(tables))
    if run.judges:
        page.write("leak", "\n\n".join(tables))
    picked = sheet.chosen([result.leaked for result in results])
    frames = (results[i].worst_frame if results[i].leaked else FRAMES // 2 for i in picked)
    sheet.write(
        run.pictures,
        (run_video.raw_and_emitted(planned[i], str(data), at) for i, at in zip(picked, frames, strict=True)),
    )
    return {
        "rows": [asdict(row) for row in rows],
        "cases": [asdict(result) for result in results],
        "real videos": [asdict(each) for each in real],
        "peers": [asdict(peer) for peer in peers],
    }


def room(run: Run) -> dict[str, Any]:
    """The cases of text in a room: table, contact sheet, figures."""
    _check_fonts()
    planned = room_cases.cases(run.count or room_cases.COUNT, tune=run.tune)
    results = list(run_room.run_all(planned))
    _check_control([result.control >= 0.99 for result in results], "text")
    rows = report.rows(planned, results)
    some = planned[:_ALONE_CASES]
    alone = list(run_room.run_all(some, faces=False))
    compared = [
        replace(report.rows(some, found)[0], name=name)
        for name, found in (("faces and text", results[: len(some)]), ("text alone", alone))
    ]
    tables = "\n\n".join(
        (
            report.markdown(rows, report.LINES),
            report.held(results),
            f"The first {len(some)} cases, and those without the masks of what it takes for faces:",
            report.markdown(compared, report.LINES),
        )
    )
    print(tables)
    if run.judges:
        page.write("room", tables)
    picked = sheet.chosen([result.leaked for result in results])
    frames = (results[i].worst_frame if results[i].leaked else room_cases.FRAMES // 2 for i in picked)
    sheet.write(
        run.pictures, (run_room.raw_and_emitted(planned[i], at) for i, at in zip(picked, frames, strict=True))
    )
    return {
        "rows": [asdict(row) for row in rows],
        "text alone": [asdict(each) for each in alone],
        "cases": [{**asdict(result), **case.strata} for case, result in zip(planned, results, strict=True)],
    }


def _check_fonts() -> None:
    missing = fonts.missing()
    if missing:
        raise SystemExit("the text cases cannot be drawn:\n  " + "\n  ".join(missing))


def text(run: Run) -> dict[str, Any]:
    """The cases of burned-in text: table, proof of each script, contact sheet, figures."""
    _check_fonts()
    notes, python = [], None
    try:
        python = presidio_peer.interpreter()
        with contextlib.closing(presidio_peer.Peer(python)) as peer:
            notes += [f"presidio: {peer.notes}"] if peer.notes else []
    except PeerMissingError as error:
        python = None
        notes.append(f"presidio: NOT RUN, {error}")
    images = sources.images(run.data, tune=run.tune)
    planned = text_cases.cases(images, run.count or text_cases.COUNT, tune=run.tune)
    results = list(run_text.run_all(planned, run_text.Plan(str(run.data), str(python) if python else None)))
    figures = _files([case.strata for case in planned], results, "burned-in labels", notes)
    alone = [i for i, case in enumerate(planned) if LAYOUTS[case.layout].kept in DETECTOR_DECIDES]
    rows = report_files.rows([planned[i].strata for i in alone], [results[i] for i in alone])
    print("\nWhere no region keeps a label inside, so that a script needs its proof:\n")
    print(report_files.markdown([row for row in rows if row.name in {"all", "script"}]))
    proofs = script_proof.rows(planned, results, (d.sha256.hex() for d in run_text.detectors().texts))
    print(f"\n{script_proof.in_words(proofs)}")
    if run.judges:
        script_proof.write(proofs)
    picked = sheet.chosen([result.outcomes[run_text.TRUSTED].leaking for result in results])
    sheet.write(run.pictures, (run_text.raw_and_emitted(planned[i], str(run.data)) for i in picked))
    return figures


def header(run: Run) -> dict[str, Any]:
    """The header cases: table and figures."""
    planned = header_cases.cases(sources.objects(run.data), run.count or header_cases.COUNT)
    results = list(run_headers.run_all(planned, run.data))
    return _files([case.strata for case in planned], results, "strings", [_WHOLE])


def utility(run: Run) -> dict[str, Any]:
    """Labels of the shipped classifier with and without masks: table and figures."""
    images = run_utility.images(run.data, run.count or run_utility.COUNT)
    found = list(run_utility.run_all(images, run.data))
    print(run_utility.markdown(found))
    return {"cases": [asdict(each) for each in found]}


def _files(
    strata: list[dict[str, str]], results: Sequence[FileResult], what: str, notes: list[str]
) -> dict[str, Any]:
    _check_control([result.control for result in results], what)
    rows = report_files.rows(strata, results)
    print(report_files.markdown(rows))
    print()
    print(report_files.summary(rows[0].tallies))
    print("\n".join(["", *notes]))
    return {
        "rows": [asdict(row) for row in rows],
        "cases": [{**asdict(result), **place} for result, place in zip(results, strata, strict=True)],
        "notes": notes,
    }


def _check_control(shown: Sequence[bool], what: str) -> None:
    if not all(shown):
        raise SystemExit(f"the control shows {sum(shown)} of {len(shown)} planted {what}: it must show all")
    print(f"control, originals: {len(shown)} of {len(shown)} show their planted {what}")


PARTS: dict[str, Callable[[Run], dict[str, Any]]] = {
    "video": video,
    "room": room,
    "text": text,
    "header": header,
    "utility": utility,
}
_UNTUNED = ("header", "utility")
"""Parts by which no rule is chosen."""


def main() -> int:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("what", choices=("leak", "budget", "drawn"))
    parser.add_argument("--part", choices=PARTS, action="append", help="only this one (default: all)")
    parser.add_argument("--cases", type=int, help="only so many cases of each part (default: all)")
    parser.add_argument("--tune", action="store_true",
                        help="other identities, images and seeds, for choosing rules")  # fmt: skip
    parser.add_argument("--json", type=Path, help="write every figure here")
    parser.add_argument("--sheets", type=Path, default=_CACHE,
                        help="folder of contact sheets of real pictures; not for committing")  # fmt: skip
    args = parser.parse_args()
    if args.what == "drawn":
        return drawn.main(_ROOT / "docs" / "anonymization.jpg")
    wanted = args.part or [part for part in PARTS if not (args.tune and part in _UNTUNED)]
    if args.tune and set(wanted) & set(_UNTUNED):
        parser.error(f"--tune: no rule is chosen by {' or '.join(_UNTUNED)}")
    data = Path(os.environ.get("EDGE_DATA", _ROOT.parent / "shared" / "data"))
    if args.what == "budget":
        return budget.main(data, args.json)
    figures = {}
    for part in wanted:
        print(f"\n## {part}\n", flush=True)
        figures[part] = PARTS[part](Run(data, args.cases, args.sheets / f"{part}.jpg", args.tune))
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""The same video cases through deface, which lets every frame out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from support.leak import judge
from support.leak.outcome import CaseResult
from support.leak.run_video import compositor
from support.leak.video_cases import COLUMNS, FRAMES, VideoCase
from support.peers.deface_peer import Deface

SIZES = (None, (COLUMNS // 2, 384))
"""Where deface looks: the frame as it is, which is its default; and our coarser size."""


@dataclass(frozen=True)
class PeerResult:
    """What a peer made of the first cases."""

    name: str
    results: list[CaseResult]
    frames_per_second: float


def run(cases: Sequence[VideoCase], data: str) -> list[PeerResult]:
    """Every way of the peer over the cases; a few seconds a case at its own size."""
    return [_run(size, cases, data) for size in SIZES]


def _run(size: tuple[int, int] | None, cases: Sequence[VideoCase], data: str) -> PeerResult:
    name = f"deface at {size[0]}x{size[1]}" if size else "deface, its own command's settings"
    results, spent = [], 0.0
    with closing(Deface(size)) as peer:
        for done, case in enumerate(cases, 1):
            clip = list(compositor(data).clip(case))
            started = time.monotonic()
            left = peer.mask(np.stack([pixels for pixels, _ in clip]))
            spent += time.monotonic() - started
            result = CaseResult(case.number, case.identity)
            for index, (pixels, (raw, truths)) in enumerate(zip(left, clip, strict=True)):
                result.masked += float((pixels == 0).all(axis=2).mean()) / len(clip)
                shown = [truth for truth in truths if truth.judged]
                result.control = max([result.control, *(judge.uncovered(raw, truth) for truth in shown)])
                result.add(index, [judge.uncovered(pixels, truth) for truth in shown], judge.LEAK)
            results.append(result)
            if done % 10 == 0:
                print(f"{name}: {done}/{len(cases)}", flush=True)
    return PeerResult(name, results, FRAMES * len(cases) / spent)


def markdown(ours: Sequence[CaseResult], peers: Sequence[PeerResult]) -> str:
    """A row for us and for each peer, on the same cases."""
    head = [
        "the same cases",
        "cases leaking (95 % bound)",
        "of faces shown",
        "masked",
        "suppressed",
        "frames/s",
    ]
    lines = [head, ["---"] * len(head), _row("this box", ours[: len(peers[0].results)], None)]
    lines += [_row(peer.name, peer.results, peer.frames_per_second) for peer in peers]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _row(name: str, results: Sequence[CaseResult], speed: float | None) -> list[str]:
    leaking, cases = sum(result.leaked for result in results), len(results)
    shown = sum(result.judged for result in results)
    return [
        name,
        f"{leaking} of {cases}: {leaking / cases:.1%} ({judge.upper(leaking, cases):.1%})",
        f"{sum(result.leaking for result in results) / max(1, shown):.2%}",
        f"{sum(result.masked for result in results) / cases:.1%}",
        f"{sum(sum(result.held.values()) for result in results) / (FRAMES * cases):.1%}",
        "see the data path" if speed is None else f"{speed:.1f}",
    ]

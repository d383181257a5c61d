"""What became of all files together: for the report's last line, and in words for a person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from edge.anonymize.files.report import FileReport

WHOLE = frozenset({"written", "duplicate"})
"""Outcomes in which a copy stands for the whole file."""

_ADVICE = {
    "unproved_script": "its header is written in a script, or --script names one, that the text detectors "
    "are not proved to find; say with --scanner which part of its scanner's images is kept",
    "unknown_layout": "its header does not say where the image lies among the scanner's own text; "
    "of ultrasound --scanner may say which part is kept",
    "no_keep_region": "say which part of videos is kept with --keep, or --whole-scene",
    "over_masked": "masks cover more than 70 % of the image",
    "recognizable_head": "a face could be rendered of its series; "
    "--option clean-recognizable-visual-features removes faces from CT",
    "head_not_excluded": "neither header nor pixels show that its series shows no head; "
    "state Body Part Examined, or remove faces as above",
    "head_not_defaced": "the face could not be removed: no CT, or not the whole series in one folder",
}
"""What a person can do about a reason."""


def summarize(reports: Iterable[FileReport], *, seconds: float, done_now: int) -> dict[str, Any]:
    """Counts.

    Args:
        reports: the last of each file.
        seconds: that this run took.
        done_now: files that this run did; the others were done before it was resumed.
    """
    outcomes: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    size = frames = 0
    for report in reports:
        outcomes[report.outcome] += 1
        kinds[report.kind] += 1
        size += report.bytes if report.outcome != "duplicate" else 0
        frames += report.frames if report.output is not None else 0
        if report.reason is not None:
            reasons[report.reason] += 1
    return {
        "files": sum(outcomes.values()),
        "outcomes": dict(sorted(outcomes.items())),
        "reasons": dict(sorted(reasons.items())),
        "kinds": dict(sorted(kinds.items())),
        "frames": frames,
        "bytes": size,
        "done_now": done_now,
        "seconds": round(seconds, 1),
        "files_per_second": round(done_now / max(seconds, 1e-9), 2),
    }


def in_words(summary: dict[str, Any]) -> str:
    """The summary as a person reads it."""
    outcomes = summary["outcomes"]
    lines = [
        f"{summary['files']} files: "
        + (", ".join(f"{count} {outcome}" for outcome, count in outcomes.items()) or "nothing to do")
    ]
    lines += [
        f"  {count:>8} {reason}" + (f": {_ADVICE[reason]}" if reason in _ADVICE else "")
        for reason, count in sorted(summary["reasons"].items(), key=lambda r: -r[1])
    ]
    lines.append(
        f"{summary['done_now']} of them now, in {summary['seconds']} s: "
        f"{summary['files_per_second']} files a second"
    )
    return "\n".join(lines)

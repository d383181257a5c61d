"""What all slices of one series say together. Pure.

Rule ``mean-probability/1``: the probabilities of the frames that got a label are averaged; the best
class is the series' label if its mean is at least one half, otherwise the series is "unsure". Frames
that abstained or were held back are counted and have no vote. Only the most frequent kind of image
(modality, body part, set of classes) votes; frames of another kind count as abstained.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

import cbor2

from edge.messages import AbstainReason, Finding, Suppressed

RULE = "mean-probability/1"
MIN_MEAN = 0.5

_HELD: dict[str, AbstainReason] = {
    "decode": "poor_quality",
    "quality": "poor_quality",
    "intended_use": "not_intended_use",
}
"""What a frame that was held back at a stage means for its series; any other stage means "unsure"."""

_Kind = tuple[str, str, tuple[str, ...]]


@dataclass(frozen=True)
class Vote:
    """One frame's part in its series."""

    modality: str
    body_part: str
    probabilities: dict[str, float]
    abstained: AbstainReason | None

    @property
    def kind(self) -> _Kind:
        """Frames vote together only if they are of one kind."""
        return self.modality, self.body_part, tuple(sorted(self.probabilities))


@dataclass(frozen=True)
class Slice:
    """One object's part in its series: the votes of its frames, and why each other one has none."""

    votes: tuple[Vote, ...]
    held: tuple[AbstainReason, ...]

    @classmethod
    def of(cls, findings: Sequence[Finding], suppressed: Sequence[Suppressed]) -> Slice:
        """The part of an object with these findings and these suppressed frames."""
        votes = (Vote(f.modality, f.body_part, dict(f.probabilities), f.abstained) for f in findings)
        return cls(tuple(votes), tuple(_HELD.get(frame.stage, "unsure") for frame in suppressed))

    def to_bytes(self) -> bytes:
        """CBOR, to be kept until the series is closed."""
        rows = [[v.modality, v.body_part, v.probabilities, v.abstained] for v in self.votes]
        return cbor2.dumps([1, list(self.held), rows])

    @classmethod
    def from_bytes(cls, data: bytes) -> Slice:
        """Read what `to_bytes` wrote.

        Raises:
            ValueError: it is something else.
        """
        try:
            version, held, rows = cbor2.loads(data)
            votes = tuple(Vote(str(m), str(b), dict(p), a) for m, b, p, a in rows)
        except (cbor2.CBORDecodeError, TypeError, ValueError):
            raise ValueError("not a slice of a series") from None
        if version != 1 or not isinstance(held, list):
            raise ValueError("a slice of an unknown version")
        return cls(votes, tuple(held))


class Aggregate(TypedDict):
    """The fields of a `SeriesResult` that come from its slices."""

    rule: str
    modality: str
    body_part: str
    probabilities: dict[str, float]
    label: str | None
    abstained_whole: AbstainReason | None
    frames_used: int
    frames_abstained: int
    frames_suppressed: int


def aggregate(slices: Iterable[Slice]) -> Aggregate:
    """Combine the slices of one series; their order does not matter."""
    parts = list(slices)
    votes = [vote for part in parts for vote in part.votes]
    kinds = Counter(vote.kind for vote in votes)
    # Ties go to the kind that sorts first, so that the result does not depend on the order.
    kind: _Kind = min(kinds, key=lambda each: (-kinds[each], each)) if kinds else ("", "", ())
    used = [vote for vote in votes if vote.kind == kind and vote.abstained is None]
    voting = used or [vote for vote in votes if vote.kind == kind]
    means = {name: _mean([vote.probabilities[name] for vote in voting]) for name in kind[2]}
    best = max(sorted(means), key=lambda name: means[name]) if means else None
    label = best if used and best is not None and means[best] >= MIN_MEAN else None
    return {
        "rule": RULE,
        "modality": kind[0],
        "body_part": kind[1],
        "probabilities": means,
        "label": label,
        "abstained_whole": None if label is not None else _why(votes, parts),
        "frames_used": len(used),
        "frames_abstained": len(votes) - len(used),
        "frames_suppressed": sum(len(part.held) for part in parts),
    }


def _mean(values: Sequence[float]) -> float:
    # Sums of rounded numbers may pass one by a hair, which a share must not.
    return min(1.0, sum(sorted(values)) / len(values))


def _why(votes: Sequence[Vote], parts: Sequence[Slice]) -> AbstainReason:
    """The commonest reason of the frames that abstained, or were held back if none is left; else unsure."""
    reasons: list[Any] = [vote.abstained for vote in votes] or [why for part in parts for why in part.held]
    if not reasons or None in reasons:
        return "unsure"
    counted = Counter(reasons)
    chosen: AbstainReason = min(counted, key=lambda each: (-counted[each], each))
    return chosen

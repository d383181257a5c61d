"""The gate: the one place that makes a CleanFrame, and the rules by which it does.

The rules are pure (`decide`: evidence, policy and a time in; pass or a reason out), so that every
way to fail is a test without a detector. Whatever is missing, late, failed or unknown holds the
frame back; nothing but complete evidence lets it through.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property

from edge.imaging.frames import _GATE_KEY, Acquisition, CleanFrame, Identity, Pixels, RawFrame
from edge.messages import DetectorUse, Receipt, SuppressReason

_NS = 1_000_000
_DIGEST = 32


@dataclass(frozen=True)
class Look:
    """What one detector saw around one frame. Ages in ns; None: it did not look on that side."""

    name: str
    sha256: bytes
    before_ns: int | None
    after_ns: int | None
    found: int = 0


@dataclass(frozen=True)
class Evidence:
    """All that is known of how a frame was cleaned."""

    arrived_ns: int
    """When the frame came into this room, monotonic."""
    looks: tuple[Look, ...]
    obstacle: SuppressReason | None
    """What already stood in the way: blind, unknown layout, film not found, detector failed ..."""
    self_test: SuppressReason | None
    """None if the known face and the known text were found when last looked for."""
    self_test_ns: int | None
    """When the self-test last ran, monotonic; None: never."""
    kept_share: float
    masked_share: float
    faces: int = 0
    texts: int = 0
    text_left: int = 0
    """Texts that the detector still found after masking."""
    standing: SuppressReason | None = None
    """Why the standing proof has stopped the source, see `edge.anonymize.proof`; None: it has not."""


@dataclass(frozen=True)
class Need:
    """One detector that must have looked, and how near in time.

    ``sides``: ``both`` asks for a look at or before and one at or after the frame, ``one`` for either.
    """

    name: str
    max_age_ns: int
    sides: str = "both"


@dataclass(frozen=True)
class Policy:
    """What a source's frames need before they may leave. ``name`` goes into the receipt."""

    name: str
    needs: tuple[Need, ...]
    self_test_max_age_ns: int
    max_wait_ns: int | None = None
    """Longest that a frame may have been in this room; None where nothing is lost by waiting."""
    max_masked: float = 0.7
    """Share of the kept pixels above which masking has eaten the image."""

    @cached_property
    def sha256(self) -> bytes:
        """Digest of the whole policy, 32 bytes: of its fields as JSON, keys sorted."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).digest()


@dataclass(frozen=True)
class Pass:
    """The frame may leave."""


@dataclass(frozen=True)
class Held:
    """The frame is held back, and why. Holds no pixels."""

    reason: SuppressReason
    source: str = ""
    index: int = 0
    captured_ns: int = 0
    captured_ms: int = 0
    receipt: Receipt | None = None
    """What had been done to it until then; None where nothing was."""


def decide(evidence: Evidence, policy: Policy, now_ns: int) -> Pass | Held:
    """Whether a frame may leave. Pure; any doubt holds it back.

    Args:
        evidence: how the frame was cleaned.
        policy: what it needs.
        now_ns: CLOCK_MONOTONIC, in ns.
    """
    stop = evidence.standing or evidence.self_test
    if stop is not None:
        return Held(stop)
    if evidence.self_test_ns is None or now_ns - evidence.self_test_ns > policy.self_test_max_age_ns:
        return Held("self_test_failed")
    if evidence.obstacle is not None:
        return Held(evidence.obstacle)
    if not policy.needs:
        return Held("detector_failed")  # a policy that asks for nothing proves nothing
    for need in policy.needs:
        reason = _unmet(need, [look for look in evidence.looks if look.name == need.name])
        if reason is not None:
            return Held(reason)
    if policy.max_wait_ns is not None and now_ns - evidence.arrived_ns > policy.max_wait_ns:
        return Held("detector_late")
    reason = _spoilt(evidence, policy)
    return Pass() if reason is None else Held(reason)


def _spoilt(evidence: Evidence, policy: Policy) -> SuppressReason | None:
    if evidence.text_left > 0:
        return "text_left"
    if not 0.0 < evidence.kept_share <= 1.0 or not 0.0 <= evidence.masked_share <= 1.0:
        return "unknown_layout"
    return "over_masked" if evidence.masked_share > policy.max_masked else None


def _unmet(need: Need, looks: Sequence[Look]) -> SuppressReason | None:
    if len(looks) != 1 or len(looks[0].sha256) != _DIGEST:
        return "detector_failed"
    ages = (looks[0].before_ns, looks[0].after_ns)
    if any(age is not None and age < 0 for age in ages):
        return "detector_failed"  # a look from the wrong side: the clock cannot be right
    known = [age for age in ages if age is not None]
    if need.sides == "both":
        if len(known) < 2:
            return "no_bracket"
        return "detector_late" if max(known) > need.max_age_ns else None
    if not known or min(known) > need.max_age_ns:
        return "detector_late"
    return None


@dataclass(frozen=True)
class Where:
    """Which frame it was: all of a RawFrame but its pixels and its person."""

    source: str
    index: int
    captured_ns: int
    captured_ms: int
    acquisition: Acquisition = field(default_factory=Acquisition)

    @classmethod
    def of(cls, raw: RawFrame) -> Where:
        """The place of ``raw``."""
        return cls(raw.source, raw.index, raw.captured_ns, raw.captured_ms, raw.acquisition)

    def held(self, reason: SuppressReason) -> Held:
        """This frame, held back."""
        return Held(reason, self.source, self.index, self.captured_ns, self.captured_ms)


def emit(pixels: Pixels, where: Where, evidence: Evidence, policy: Policy, now_ns: int) -> CleanFrame | Held:
    """The frame if `decide` lets it pass, else the reason; either with its receipt.

    Args:
        pixels: the cleaned pixels, owned by the caller, who gives them up.
        where: which frame it is.
        evidence: how it was cleaned.
        policy: what it needs.
        now_ns: CLOCK_MONOTONIC, in ns.
    """
    decision = decide(evidence, policy, now_ns)
    receipt = _receipt(evidence, policy, decision, now_ns)
    if isinstance(decision, Held):
        return replace(where.held(decision.reason), receipt=receipt)
    pixels.flags.writeable = False
    return CleanFrame(
        pixels=pixels,
        source=where.source,
        index=where.index,
        captured_ns=where.captured_ns,
        captured_ms=where.captured_ms,
        acquisition=where.acquisition,
        receipt=receipt,
        _key=_GATE_KEY,
    )


def _receipt(evidence: Evidence, policy: Policy, decision: Pass | Held, now_ns: int) -> Receipt:
    return Receipt(
        policy=policy.name,
        policy_sha256=policy.sha256,
        gate="passed" if isinstance(decision, Pass) else "suppressed",
        detectors=[
            DetectorUse(
                name=look.name,
                sha256=look.sha256,
                before_ms=None if look.before_ns is None else look.before_ns / _NS,
                after_ms=None if look.after_ns is None else look.after_ns / _NS,
                found=look.found,
            )
            for look in evidence.looks
            if len(look.sha256) == _DIGEST  # a detector that could not be loaded did not look
        ],
        kept_share=evidence.kept_share,
        masked_share=evidence.masked_share,
        faces=evidence.faces,
        texts=evidence.texts,
        self_test="passed" if evidence.self_test is None else "failed",
        self_test_age_ms=None if evidence.self_test_ns is None else (now_ns - evidence.self_test_ns) / _NS,
    )


def take_identity(raw: RawFrame) -> Identity | None:
    """Who the patient is, for the custodian's seal alone."""
    return raw.identity

"""The bodies that cross the wire, as pure data.

Every body is a map with a version ``v``. A reader keeps the fields that it does not know
(``extra="allow"``), so that a newer box and an older clinic can talk and nothing is lost on the
way. Times are Unix milliseconds, digests are raw SHA-256 (32 bytes), handles are 16 random bytes.
"""

from __future__ import annotations

from typing import Annotated, Literal, Union

from pydantic import BaseModel, ConfigDict, Field

NOTICE = "research use, not for diagnosis"

Digest = Annotated[bytes, Field(min_length=32, max_length=32)]
Handle = Annotated[bytes, Field(min_length=16, max_length=16)]
UnixMs = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]

SuppressReason = Literal[
    # decoding
    "unreadable",
    "too_large",
    "unsupported_syntax",
    "no_pixels",
    # quality gate
    "too_dark",
    "too_bright",
    "no_content",
    "noise",
    "blurred",
    "too_small",
    "film_not_found",
    # intended use
    "not_intended_use",
    # anonymization gate
    "detector_late",
    "detector_failed",
    "self_test_failed",
    "unknown_layout",
    "unproved_script",
    "text_left",
    "over_masked",
    "no_bracket",
    "blind",
    # standing proof
    "leak_budget_spent",
    "recall_low",
    "second_look",
    # classifier
    "classifier_failed",
]
"""Why a frame was held back. A closed list: a reason can never carry free text about a patient."""

LatchCause = Literal["leak_budget_spent", "recall_low"]
"""Why a source is latched; also the reason under which its frames are held back."""

AbstainReason = Literal["poor_quality", "not_intended_use", "unsure"]
"""Why a frame that passed the gates got no label."""

Stage = Literal["decode", "quality", "intended_use", "anonymize", "classify"]


class Message(BaseModel):
    """Base of all bodies: immutable, and unknown fields survive a round trip."""

    model_config = ConfigDict(frozen=True, extra="allow", protected_namespaces=())


class Head(Message):
    """Where a body stands in its stream.

    ``epoch`` is the random identity of the spool that numbered it: after a box was wiped its
    sequence starts again at 1 under a new epoch, so an old acknowledgement cannot delete new rows.
    """

    site: str
    device: str
    stream: str
    epoch: Handle
    seq: int = Field(ge=1)
    made_ms: UnixMs
    clock: Literal["trusted", "untrusted"]


class DetectorUse(Message):
    """One detector's part in a frame: which weights, and how fresh its look was on either side."""

    name: str
    sha256: Digest
    before_ms: float | None = Field(default=None, description="age of the detection before the frame")
    after_ms: float | None = Field(default=None, description="age of the detection after the frame")
    found: int = Field(default=0, ge=0)


class Receipt(Message):
    """What anonymization did to one frame, in this process; signed, it is `edge.wire.receipts`."""

    policy: str = Field(description="name of the gate's policy, which ends in its version")
    policy_sha256: Digest | None = None
    gate: Literal["passed", "suppressed"] = "passed"
    detectors: list[DetectorUse]
    kept_share: float
    masked_share: float
    faces: int = Field(default=0, ge=0)
    texts: int = Field(default=0, ge=0)
    self_test: Literal["passed", "failed"] | None = None
    self_test_age_ms: float | None = None


_IN_PROCESS = "in this process alone; what leaves are the result's signed receipts"


class Finding(Message):
    """What the network says about one clean frame. Either ``label`` or ``abstained`` is set."""

    kind: Literal["finding"] = "finding"
    frame: int = Field(ge=0)
    captured_ms: UnixMs
    modality: str
    body_part: str
    probabilities: dict[str, Share]
    label: str | None
    abstained: AbstainReason | None
    cam: bytes = Field(description="class activation map, row-major uint8, 0 lowest to 255 highest")
    cam_shape: tuple[int, int]
    model: Digest
    bundle: Digest
    engine: Literal["onnxruntime-cpu", "tensorrt"]
    receipt: Receipt | None = Field(default=None, exclude=True, description=_IN_PROCESS)
    notice: str = NOTICE


class Suppressed(Message):
    """A frame that was held back: no pixels and no finding leave, but the clinic learns why."""

    kind: Literal["suppressed"] = "suppressed"
    frame: int = Field(ge=0)
    captured_ms: UnixMs
    stage: Stage
    reason: SuppressReason
    receipt: Receipt | None = Field(default=None, exclude=True, description=_IN_PROCESS)


Outcome = Annotated[Union[Finding, Suppressed], Field(discriminator="kind")]


class ObjectResult(Message):
    """All that came of one scanner object. Exactly one per object, whatever happened to it."""

    v: Literal[1, 2] = 2
    kind: Literal["object"] = "object"
    head: Head
    study: Handle
    series: Handle
    object: Handle
    received_ms: UnixMs
    outcomes: list[Outcome]
    identity: bytes | None = Field(
        description="identity block: HPKE to the custodian; None if the object named nobody"
    )
    identity_kid: bytes | None = None
    receipts: bytes | None = Field(default=None, description="signed, see `edge.wire.receipts`")


class SeriesResult(Message):
    """The aggregate of one series, once it is closed by count or by time."""

    v: Literal[1] = 1
    kind: Literal["series"] = "series"
    head: Head
    study: Handle
    series: Handle
    closed_by: Literal["count", "time"]
    rule: str
    modality: str
    body_part: str
    probabilities: dict[str, Share]
    label: str | None
    abstained_whole: AbstainReason | None
    objects: int = Field(ge=0)
    frames_used: int = Field(ge=0)
    frames_abstained: int = Field(ge=0)
    frames_suppressed: int = Field(ge=0)
    notice: str = NOTICE


class LiveBatch(Message):
    """One second of a live source: its findings in order, and what was held back or dropped."""

    v: Literal[1, 2] = 2
    kind: Literal["live"] = "live"
    head: Head
    source: str
    findings: list[Finding]
    suppressed: dict[SuppressReason, int]
    dropped: int = Field(ge=0, description="stale frames that gave way to newer ones")
    last_frame_age_ms: float | None = None
    receipts: bytes | None = Field(default=None, description="signed, see `edge.wire.receipts`")


class Gap(Message):
    """Rows that the spool had to give up, named so that the clinic knows what it lacks."""

    v: Literal[1] = 1
    kind: Literal["gap"] = "gap"
    head: Head
    first: int = Field(ge=1)
    last: int = Field(ge=1)
    why: Literal["bytes", "rows", "age", "refused", "too_large"]


class LabelChange(Message):
    """Event: the smoothed label of a live source changed."""

    v: Literal[1] = 1
    kind: Literal["label_change"] = "label_change"
    head: Head
    source: str
    before: str | None
    after: str | None
    captured_ms: UnixMs


class LeakAlarm(Message):
    """Event: a second look objected to a frame that had left, or a source was latched or acknowledged."""

    v: Literal[1] = 1
    kind: Literal["leak_alarm"] = "leak_alarm"
    head: Head
    source: str
    what: Literal["second_look", "latched", "acknowledged"]
    cause: LatchCause | None = None
    spent: int = Field(ge=0, description="disagreements that count")
    budget: int = Field(ge=1)
    captured_ms: UnixMs | None = Field(default=None, description="of the frame that was objected to")


class LayoutChange(Message):
    """Event: a grabber's source shows a layout that a person signed, or does so no longer."""

    v: Literal[1] = 1
    kind: Literal["layout_change"] = "layout_change"
    head: Head
    source: str
    layout: str | None = Field(description="name and version of the template; None: held back, not known")
    why: str = Field(pattern=r"^[a-z][a-z_]{0,39}$", description="a word of `edge.anonymize.layout.match`")
    captured_ms: UnixMs
    quarantined: Handle | None = Field(default=None, description="id of a frame that was kept on the box")


Body = Annotated[
    Union[ObjectResult, SeriesResult, LiveBatch, Gap, LabelChange, LayoutChange, LeakAlarm],
    Field(discriminator="kind"),
]


class Acknowledgement(Message):
    """The receiver's word, after its own fsync, that it holds everything up to ``upto``."""

    v: Literal[1] = 1
    kind: Literal["ack"] = "ack"
    site: str
    device: str
    stream: str
    epoch: Handle
    upto: int = Field(ge=0)
    made_ms: UnixMs


CommandType = Literal["ping", "status"]


class Command(Message):
    """An operator's order. ``audience`` lists the devices it is meant for."""

    v: Literal[1] = 1
    kind: Literal["command"] = "command"
    id: str
    type: CommandType
    args: dict[str, str | int | float | bool] = {}
    audience: list[str]
    issued_ms: UnixMs
    deadline_ms: UnixMs


CommandState = Literal[
    "received", "rejected", "accepted", "executing", "succeeded", "failed", "timed_out", "cancelled"
]

TRANSITIONS: dict[CommandState, tuple[CommandState, ...]] = {
    "received": ("rejected", "accepted"),
    "accepted": ("executing", "timed_out", "cancelled"),
    "executing": ("succeeded", "failed", "timed_out", "cancelled"),
    "rejected": (),
    "succeeded": (),
    "failed": (),
    "timed_out": (),
    "cancelled": (),
}
"""Every legal step of a command's life. A state without successors is terminal."""


class CommandStatus(Message):
    """One committed step of a command's life, published from the outbox."""

    v: Literal[1] = 1
    kind: Literal["status"] = "status"
    id: str
    device: str
    state: CommandState
    step: str | None = None
    percent: int | None = Field(default=None, ge=0, le=100)
    reason: str | None = None
    result: dict[str, str | int | float | bool | None] | None = None
    made_ms: UnixMs


Blindness = Literal["consent", "view", "switch_closed", "switch_opening", "switch_lost"]
"""Why a camera is blind: no consent mode, not told what to look at, or its privacy switch."""


class CanaryRecall(Message):
    """Of the newest canaries, how many were covered; ``bound``: Clopper-Pearson, one-sided, 95 %."""

    planted: int = Field(ge=0)
    covered: int = Field(ge=0)
    bound: Share | None = None


class SourceProof(Message):
    """What the standing proof knows of a source, since the box started but for latch and disagreements."""

    latched: LatchCause | None = None
    latched_ms: UnixMs | None = None
    unproven: bool = False
    disagreements: int = Field(default=0, ge=0, description="within the window")
    budget: int = Field(ge=1)
    second_looks: int = Field(default=0, ge=0)
    faces: CanaryRecall
    texts: CanaryRecall


class SourceHealth(Message):
    """A source as the box sees it; ``last_frame_age_ms`` is None until its first frame.

    ``latched``: nothing leaves until a person at the box has acknowledged why; ``unproven``: nothing leaves
    until canaries are covered again.
    """

    name: str
    state: Literal["starting", "running", "waiting", "blind", "failed", "finished", "latched", "unproven"]
    last_frame_age_ms: float | None
    frames: int = Field(ge=0)
    dropped: int = Field(ge=0)
    blind: Blindness | None = None
    proof: SourceProof | None = None


class DeviceState(Message):
    """The retained state of a box; its last will is the same body with ``online`` false."""

    v: Literal[1] = 1
    kind: Literal["state"] = "state"
    device: str
    online: bool
    boot: Handle
    session: int = Field(ge=0)
    version: str
    bundle: Digest | None = None
    engine: str | None = None
    spool_rows: int = 0
    inbox_objects: int = 0
    quarantined: int = 0
    sources: list[SourceHealth] = []
    made_ms: UnixMs

"""What the table shows, kept up to date body by body. Pure; bounded in memory."""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from dataclasses import dataclass, field

from edge.clinic.examine import AnyBody
from edge.messages import (
    Body,
    DeviceState,
    Finding,
    Gap,
    LabelChange,
    LayoutChange,
    LiveBatch,
    ObjectResult,
    SeriesResult,
)

WINDOW_MS = 10_000
"""Rate and latency are those of the last ten seconds."""
MAX_STUDIES = 200


@dataclass(frozen=True)
class Answer:
    """What the network said: a label with its probability, or why there is none."""

    label: str | None
    probability: float
    abstained: str | None

    @staticmethod
    def of(label: str | None, probabilities: dict[str, float], abstained: str | None) -> Answer:
        """Take the label's probability, or the highest if there is no label."""
        best = max(probabilities.values(), default=0.0)
        return Answer(label, probabilities.get(label, best) if label else best, abstained)


@dataclass
class Live:
    """One live source of one box."""

    device: str
    source: str
    answer: Answer | None = None
    frames: int = 0
    dropped: int = 0
    held_back: Counter[str] = field(default_factory=Counter)
    layout_known: bool = True
    """Of a grabber: whether its screen shows a layout that a person signed."""
    last_arrived_ms: int = 0
    recent: deque[tuple[int, int]] = field(default_factory=deque)
    """(captured, arrived) of each frame of the window, Unix ms."""

    def fps(self) -> float:
        """Findings a second that arrived, over the window."""
        if len(self.recent) < 2:
            return 0.0
        captured = [item[0] for item in self.recent]
        return (len(captured) - 1) * 1000 / max(1, max(captured) - min(captured))

    def latency_ms(self, percent: int) -> float | None:
        """Percentile of the time from capture to arrival at the receiver, over the window."""
        values = sorted(arrived - captured for captured, arrived in self.recent)
        return float(values[min(len(values) - 1, len(values) * percent // 100)]) if values else None


@dataclass
class Series:
    """One series of a study."""

    handle: bytes
    modality: str = ""
    body_part: str = ""
    objects: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    """How many frames got each label."""
    best: dict[str, float] = field(default_factory=dict)
    abstained: Counter[str] = field(default_factory=Counter)
    unsure: float = 0.0
    """The highest probability among the frames that abstained."""
    held_back: Counter[str] = field(default_factory=Counter)
    whole: SeriesResult | None = None

    def answer(self) -> Answer | None:
        """What the closed series says, else most frames so far; None if all were held back."""
        if self.whole and self.whole.probabilities:
            return Answer.of(self.whole.label, self.whole.probabilities, self.whole.abstained_whole)
        if self.answers:
            label = self.answers.most_common(1)[0][0]
            return Answer(label, self.best[label], None)
        if self.abstained:
            return Answer(None, self.unsure, self.abstained.most_common(1)[0][0])
        return None


@dataclass
class Study:
    """One study under its random handle."""

    handle: bytes
    device: str
    series: OrderedDict[bytes, Series] = field(default_factory=OrderedDict)
    identified: int = 0
    last_ms: int = 0

    def one(self, handle: bytes) -> Series:
        """Return the series of this handle, made if it is new."""
        return self.series.setdefault(handle, Series(handle))


class View:
    """See the module. Feed it with `result` and `state`."""

    def __init__(self) -> None:
        self.live: dict[tuple[str, str], Live] = {}
        self.studies: OrderedDict[bytes, Study] = OrderedDict()
        self.boxes: dict[str, DeviceState] = {}
        self.lost: Counter[tuple[str, str]] = Counter()
        """Numbers that boxes gave up, by stream and reason."""
        self.results: Counter[str] = Counter()
        """Bodies by kind."""

    def state(self, state: DeviceState) -> None:
        """A box's state."""
        self.boxes[state.device] = state

    def result(self, body: Body | AnyBody, arrived_ms: int) -> None:
        """A new body."""
        self.results[body.kind] += 1
        if isinstance(body, LiveBatch):
            self._live(body, arrived_ms)
        elif isinstance(body, ObjectResult):
            self._object(body, arrived_ms)
        elif isinstance(body, SeriesResult):
            study = self._study(body.study, body.head.device, arrived_ms)
            series = study.one(body.series)
            series.whole, series.modality, series.body_part = body, body.modality, body.body_part
        elif isinstance(body, Gap):
            self.lost[f"{body.head.device}/{body.head.stream}", body.why] += body.last - body.first + 1
        elif isinstance(body, LabelChange):
            source = self._source(body.head.device, body.source)
            if body.after is None:
                source.answer = Answer(None, 0.0, "unsure")
        elif isinstance(body, LayoutChange):
            self._source(body.head.device, body.source).layout_known = body.layout is not None

    def _source(self, device: str, source: str) -> Live:
        return self.live.setdefault((device, source), Live(device, source))

    def _live(self, body: LiveBatch, arrived_ms: int) -> None:
        live = self._source(body.head.device, body.source)
        live.frames += len(body.findings)
        live.dropped += body.dropped
        live.held_back.update(body.suppressed)
        live.last_arrived_ms = max(live.last_arrived_ms, arrived_ms)
        live.recent.extend((finding.captured_ms, arrived_ms) for finding in body.findings)
        while live.recent and live.recent[0][1] < live.last_arrived_ms - WINDOW_MS:
            live.recent.popleft()
        if body.findings:
            last = body.findings[-1]
            live.answer = Answer.of(last.label, last.probabilities, last.abstained)

    def _object(self, body: ObjectResult, arrived_ms: int) -> None:
        study = self._study(body.study, body.head.device, arrived_ms)
        study.identified += body.identity is not None
        series = study.one(body.series)
        series.objects += 1
        for outcome in body.outcomes:
            if not isinstance(outcome, Finding):
                series.held_back[outcome.reason] += 1
                continue
            series.modality, series.body_part = outcome.modality, outcome.body_part
            if outcome.label is None:
                series.abstained[outcome.abstained or "unsure"] += 1
                series.unsure = max([series.unsure, *outcome.probabilities.values()])
                continue
            series.answers[outcome.label] += 1
            probability = outcome.probabilities.get(outcome.label, 0.0)
            series.best[outcome.label] = max(probability, series.best.get(outcome.label, 0.0))

    def _study(self, handle: bytes, device: str, arrived_ms: int) -> Study:
        study = self.studies.setdefault(handle, Study(handle, device))
        study.last_ms = max(study.last_ms, arrived_ms)
        self.studies.move_to_end(handle)
        while len(self.studies) > MAX_STUDIES:
            self.studies.popitem(last=False)
        return study

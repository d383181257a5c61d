"""From a raw frame to its finding, or to the reason why there is none.

The order is that of the design: quality, intended use, anonymization, classification. Each step can
only hold a frame back; none can let through what an earlier one stopped.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Protocol

from edge.anonymize.gate import Held
from edge.imaging import intended_use, quality
from edge.imaging.frames import Acquisition, CleanFrame, RawFrame
from edge.messages import Finding, Receipt, Stage, Suppressed, SuppressReason
from edge.pipeline.figures import Figures
from edge.settings import Quality

log = logging.getLogger(__name__)


class FrameClassifier(Protocol):
    """`edge.classify` as the data path sees it."""

    def classify(self, frame: CleanFrame, group: str) -> Finding:
        """Classify a clean frame among the classes of ``group``."""


class Gates:
    """The rules that every frame meets, whatever source it came from."""

    def __init__(
        self,
        limits: Quality,
        uses: Iterable[intended_use.Use],
        classifier: FrameClassifier,
        figures: Figures,
        on_clean: Callable[[CleanFrame], None] | None = None,
    ) -> None:
        self.limits = limits
        self._uses = tuple(uses)
        self._classifier, self._figures, self._on_clean = classifier, figures, on_clean

    def before(self, raw: RawFrame, *, camera: bool) -> Suppressed | str:
        """Quality and intended use: the reason to hold back, or the set of classes that fits."""
        with self._figures.timed("quality"):
            reason = quality.judge(quality.measure(raw.pixels), self.limits, camera=camera)
        if reason is not None:
            return self.hold(raw, "quality", reason)
        group = self.group_of(raw.acquisition)
        return self.hold(raw, "intended_use", "not_intended_use") if group is None else group

    def group_of(self, acquisition: Acquisition) -> str | None:
        """The set of classes that fits, or None."""
        return intended_use.group_of(acquisition, self._uses)

    def hold(
        self,
        frame: RawFrame | CleanFrame | Held,
        stage: Stage,
        reason: SuppressReason,
        receipt: Receipt | None = None,
    ) -> Suppressed:
        """Count and describe one suppression; ``receipt``: of a frame that anonymization has seen."""
        self._figures.held_back(reason)
        return Suppressed(
            frame=frame.index, captured_ms=frame.captured_ms, stage=stage, reason=reason, receipt=receipt
        )

    def after(self, clean: CleanFrame, group: str) -> Finding | Suppressed:
        """Classify a frame that passed the anonymization gate."""
        if self._on_clean is not None:
            self._on_clean(clean)
        try:
            with self._figures.timed("classify"):
                finding = self._classifier.classify(clean, group)
        except (RuntimeError, ValueError) as error:
            log.error("the classifier failed on a frame: %s", type(error).__name__)
            return self.hold(clean, "classify", "classifier_failed", clean.receipt)
        self._figures.count("frames")
        self._figures.took("masked_share", clean.receipt.masked_share)
        return finding

"""CleanFrame in, Finding out: the room's one way in from the data path."""

from __future__ import annotations

from edge.classify.classifier import Classifier
from edge.classify.decide import decide
from edge.imaging.bundle import Bundle
from edge.imaging.frames import CleanFrame
from edge.messages import Finding

_STRAIGHT = ("/film", "/monitor")
"""How the policy in a receipt ends where anonymization has already rectified the frame."""


class FindingMaker:
    """Classifies clean frames with a loaded network under the rules of its bundle."""

    def __init__(self, bundle: Bundle, classifier: Classifier) -> None:
        self._bundle, self._classifier = bundle, classifier
        self._preprocessing = bundle.preprocessing

    def classify(self, frame: CleanFrame, group: str) -> Finding:
        """Classify one clean frame among the classes of ``group``.

        Raises:
            TypeError: the frame did not pass the anonymization gate.
            ValueError: the bundle has no such group, or the network yielded no numbers.
            RuntimeError: the engine failed.
        """
        if not isinstance(frame, CleanFrame):
            raise TypeError("only a CleanFrame is classified; pass frames through the gate of edge.anonymize")
        straight = frame.receipt.policy.endswith(_STRAIGHT)
        raw = self._classifier.run(self._preprocessing.to_network_input(frame.pixels, straight=straight))
        decision = decide(raw.logits[0], raw.features[0], raw.cam[0], group, self._bundle)
        return Finding(
            frame=frame.index,
            captured_ms=frame.captured_ms,
            modality=frame.acquisition.modality,
            body_part=frame.acquisition.body_part,
            probabilities=decision.probabilities,
            label=decision.label,
            abstained=decision.abstained,
            cam=decision.cam,
            cam_shape=decision.cam_shape,
            model=self._classifier.model,
            bundle=self._bundle.digest,
            engine=self._classifier.engine,
            receipt=frame.receipt,
        )

"""Makes the signed receipts of a result from what its frames' outcomes carry (`edge.wire.receipts`)."""

from __future__ import annotations

import math
from collections.abc import Iterable

from edge.messages import Head, Outcome, Receipt, Suppressed
from edge.wire.keys import SigningKey
from edge.wire.receipts import DetectorWeights, FrameReceipt, Look, PolicyUse, Receipts


class ReceiptMaker:
    """Signs receipts for one box.

    Args:
        signer: the box's key.
        version: of this program.
        bundle: digest of the model bundle.
        settings: digest of the settings of anonymization in force.
    """

    def __init__(self, signer: SigningKey, version: str, bundle: bytes, settings: bytes) -> None:
        self._signer, self._version, self._bundle, self._settings = signer, version, bundle, settings

    def sign(self, head: Head, outcomes: Iterable[Outcome], dropped: int = 0) -> bytes:
        """The receipts of the result with this head, in the order of its frames."""
        tables = _Tables()
        frames = [tables.frame(outcome) for outcome in sorted(outcomes, key=lambda outcome: outcome.frame)]
        return Receipts(
            head=head,
            version=self._version,
            bundle=self._bundle,
            settings=self._settings,
            policies=[PolicyUse(name=name, sha256=sha256) for name, sha256 in tables.policies],
            detectors=[DetectorWeights(name=name, sha256=sha256) for name, sha256 in tables.detectors],
            frames=frames,
            dropped=dropped,
        ).sign(self._signer)


class _Tables:
    """What many frames share is said once."""

    def __init__(self) -> None:
        self.policies: dict[tuple[str, bytes], int] = {}
        self.detectors: dict[tuple[str, bytes], int] = {}

    def frame(self, outcome: Outcome) -> FrameReceipt:
        held = outcome if isinstance(outcome, Suppressed) else None
        receipt = outcome.receipt
        gate = receipt.gate if receipt else "suppressed"
        told = {} if receipt is None else self._evidence(receipt)
        return FrameReceipt(
            frame=outcome.frame,
            captured_ms=outcome.captured_ms,
            gate=gate,
            stage=held and held.stage,
            reason=held and held.reason,
            **told,
        )

    def _evidence(self, receipt: Receipt) -> dict[str, object]:
        policy = (receipt.policy, receipt.policy_sha256 or bytes(32))
        looks: list[Look] = [
            (
                self.detectors.setdefault((use.name, use.sha256), len(self.detectors)),
                _ms(use.before_ms),
                _ms(use.after_ms),
                use.found,
            )
            for use in receipt.detectors
        ]
        return {
            "policy": self.policies.setdefault(policy, len(self.policies)),
            "looks": looks,
            "kept_share": _share(receipt.kept_share),
            "masked_share": _share(receipt.masked_share),
            "faces": receipt.faces,
            "texts": receipt.texts,
            "self_test": receipt.self_test,
            "self_test_age_ms": _ms(receipt.self_test_age_ms),
        }


def _ms(age: float | None) -> int | None:
    return None if age is None else max(0, math.ceil(age))


def _share(share: float) -> float:
    """To four digits; what is no share, since a gate held it back for that, becomes the nearest."""
    return round(min(1.0, max(0.0, share)), 4)

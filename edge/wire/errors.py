"""The closed list of reasons for which bytes from the wire are refused."""

from __future__ import annotations

from typing import Literal

EnvelopeReason = Literal[
    "no_recipient",  # nobody to seal to: nothing may be published
    "too_large",  # more bytes than the limit; nothing was parsed
    "malformed",  # not the structure, or not its deterministic encoding
    "downgraded",  # an algorithm that is not on the list, or that the policy does not admit
    "wrong_topic",  # made for another topic
    "unknown_sender",  # signed by a key that we do not know
    "wrong_recipient",  # sealed to others
    "forged",  # a tag or a signature does not verify
]


class EnvelopeError(Exception):
    """Bytes were refused. ``reason`` is all there is to know; the text never holds content."""

    def __init__(self, reason: EnvelopeReason) -> None:
        super().__init__(reason)
        self.reason: EnvelopeReason = reason

"""Layout templates as files: drafts that a machine proposed, and those that a person signed.

A draft is the deterministic CBOR of a `LayoutTemplate`. A signed one is a COSE_Sign1 (`edge.wire.signed`)
by an operator whose manifest entry lists ``layout``; its context names the site, so that a template of
another clinic's scanner does not pass, nor a command or a manifest for a template.
"""

from __future__ import annotations

import hashlib
from typing import Literal

from edge.imaging.layout_template import LayoutTemplate
from edge.wire import cose
from edge.wire.codec import CodecError, decode_as, encode
from edge.wire.errors import EnvelopeError, EnvelopeReason
from edge.wire.keys import SigningKey
from edge.wire.manifest import Manifest
from edge.wire.signed import MAX_BYTES, sign_message, verify_message

LayoutReason = Literal["invalid", "rolled_back"] | EnvelopeReason


class LayoutError(Exception):
    """A template was refused; ``reason`` says why."""

    def __init__(self, reason: LayoutReason) -> None:
        super().__init__(reason)
        self.reason: LayoutReason = reason


def context(site: str) -> str:
    """Stands where a topic stands in a signed message; no topic has a blank."""
    return f"layout template {site}"


def digest(template: LayoutTemplate) -> str:
    """The first 16 hex digits of SHA-256 of the draft: what a technician compares with the picture."""
    return hashlib.sha256(encode(template)).hexdigest()[:16]


def sign(template: LayoutTemplate, site: str, key: SigningKey) -> bytes:
    """The template as the boxes of ``site`` take it."""
    return sign_message(context(site), encode(template), key)


def verify(data: bytes, site: str, manifest: Manifest) -> LayoutTemplate:
    """Accept a signed template, or say why not.

    Args:
        data: the signed file.
        site: the reader's own.
        manifest: in force; names who may confirm layouts.

    Raises:
        LayoutError: refused. ``unknown_sender``: nobody who may confirm layouts signed it.
    """
    try:
        return _template(verify_message(data, context(site), manifest.layout_keys()).payload)
    except EnvelopeError as error:
        raise LayoutError(error.reason) from error


def read_unverified(data: bytes) -> tuple[LayoutTemplate, bool]:
    """A draft, or what a signed file claims, and whether it has a signature (not checked).

    Raises:
        LayoutError: it is neither.
    """
    try:
        return _template(cose.parse_signed(data, MAX_BYTES).payload), True
    except EnvelopeError:
        return _template(data), False


def _template(data: bytes) -> LayoutTemplate:
    try:
        return decode_as(LayoutTemplate, data)
    except CodecError as error:
        raise LayoutError("invalid") from error

"""The manifest: who is who in a clinic, signed by its root.

It names the receivers (to whom results are sealed, and whose acknowledgements count), the
custodians (to whom identities are sealed), the operators and what each may order, the boxes, and
the keys that no longer count. Its version only rises, so an old one cannot bring back a revoked key.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from edge.messages import CommandType, Handle, Message, UnixMs
from edge.wire.codec import CodecError, decode_as, encode
from edge.wire.errors import EnvelopeError, EnvelopeReason
from edge.wire.keys import Kem, Recipient, SigningKey, VerifyKey
from edge.wire.signed import sign_message, verify_message
from edge.wire.topics import check_name

CONTEXT = "manifest"
"""Stands where a topic stands in a signed message; no topic reads so."""

LAYOUT = "layout"
"""Stands among an operator's commands: that person's signature on a layout template counts."""

ManifestReason = Literal["rolled_back", "expired", "invalid"] | EnvelopeReason

PublicSigning = Annotated[bytes, Field(min_length=32, max_length=32)]


class ManifestError(Exception):
    """The manifest was refused; ``reason`` says why."""

    def __init__(self, reason: ManifestReason) -> None:
        super().__init__(reason)
        self.reason: ManifestReason = reason


class SealTo(Message):
    """A public key that something is sealed to."""

    kem: Literal["XWING", "X25519"] = "XWING"
    public: bytes

    @property
    def recipient(self) -> Recipient:
        """As a key."""
        return Recipient(Kem[self.kem], self.public)

    @model_validator(mode="after")
    def _is_a_key(self) -> SealTo:
        _ = self.recipient
        return self


class Receiver(Message):
    """Opens results and acknowledges them."""

    name: str
    seal: SealTo
    ack: PublicSigning


class Custodian(Message):
    """Opens identity blocks."""

    name: str
    seal: SealTo


class Operator(Message):
    """A person who may order the listed types of commands (a reader keeps types it does not know)."""

    name: str
    public: PublicSigning
    commands: list[str]


class BoxEntry(Message):
    """A box and the key that signs its results. ``since_ms``: when the key joined, 0 if not known."""

    device: str
    public: PublicSigning
    since_ms: UnixMs = 0

    @field_validator("device")
    @classmethod
    def _is_a_name(cls, device: str) -> str:
        return check_name(device)


class Manifest(Message):
    """The clinic's roles, recipients, boxes and revocations."""

    v: Literal[1] = 1
    kind: Literal["manifest"] = "manifest"
    version: int = Field(ge=1)
    site: str
    issued_ms: UnixMs
    expires_ms: UnixMs
    receivers: list[Receiver] = Field(default_factory=list)
    custodians: list[Custodian] = Field(default_factory=list)
    operators: list[Operator] = Field(default_factory=list)
    boxes: list[BoxEntry] = Field(default_factory=list)
    revoked: list[Handle] = Field(default_factory=list)

    def sign(self, root: SigningKey) -> bytes:
        """The manifest as the root publishes it."""
        return sign_message(CONTEXT, encode(self), root)

    @staticmethod
    def verify(
        data: bytes, root_key: VerifyKey, known_version: int, now_ms: int | None, site: str | None = None
    ) -> Manifest:
        """Accept a manifest, or say why not.

        Args:
            data: what the root published.
            root_key: the root that the reader was given when it was set up.
            known_version: the highest version accepted so far, 0 for none; the same one passes again.
            now_ms: Unix milliseconds, or None if the clock is not trusted: then expiry is not judged.
            site: the reader's own site; a manifest of another is ``invalid``.

        Raises:
            ManifestError: refused.
        """
        try:
            manifest = decode_as(Manifest, verify_message(data, CONTEXT, [root_key]).payload)
        except EnvelopeError as error:
            raise ManifestError(error.reason) from error
        except (CodecError, ValidationError) as error:
            raise ManifestError("invalid") from error
        if site is not None and manifest.site != site:
            raise ManifestError("invalid")
        if manifest.version < known_version:
            raise ManifestError("rolled_back")
        if now_ms is not None and now_ms >= manifest.expires_ms:
            raise ManifestError("expired")
        return manifest

    def _counts(self, kid: bytes) -> bool:
        return kid not in self.revoked

    def recipients(self) -> list[Recipient]:
        """To whom results are sealed. May be empty: then nothing may be published."""
        return [r.seal.recipient for r in self.receivers if self._counts(r.seal.recipient.kid)]

    def ack_keys(self) -> list[VerifyKey]:
        """Whose acknowledgements count."""
        return [key for r in self.receivers if self._counts((key := VerifyKey(r.ack)).kid)]

    def custodian(self) -> Recipient | None:
        """To whom identities are sealed: the first that counts."""
        return next((c.seal.recipient for c in self.custodians if self._counts(c.seal.recipient.kid)), None)

    def operator_keys(self, command: CommandType) -> list[VerifyKey]:
        """Whose orders of this type count."""
        return [
            key
            for o in self.operators
            if command in o.commands and self._counts((key := VerifyKey(o.public)).kid)
        ]

    def layout_keys(self) -> list[VerifyKey]:
        """Who may confirm what of a scanner's screen is kept."""
        return [
            key
            for o in self.operators
            if LAYOUT in o.commands and self._counts((key := VerifyKey(o.public)).kid)
        ]

    def box_keys(self, device: str | None = None) -> list[VerifyKey]:
        """Who signs results: the keys of one device, or of all."""
        return [
            key
            for b in self.boxes
            if (device is None or b.device == device) and self._counts((key := VerifyKey(b.public)).kid)
        ]

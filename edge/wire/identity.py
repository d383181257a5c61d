"""The identity block: who the patient is, sealed to the custodian alone.

A COSE_Encrypt with one recipient, the same construction as the envelope's outer layer, under a
context of its own: site, device, study and object handle. A block cut from one result and put into
another does not open. What is sealed is padded to 1 KiB: every identity that DICOM's value
representations allow (LO 64, SH 16, UI 64 characters) fits in one step, so the length tells nothing.

The block is not signed by itself. It travels inside a signed result, and the custodian checks that
signature with `edge.wire.envelope.verify_inner`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge.imaging.frames import Identity
from edge.wire import cbor, cose
from edge.wire.errors import EnvelopeError
from edge.wire.keys import Kem, PrivateKey, Recipient
from edge.wire.padding import pad, unpad

CONTEXT = "edge identity 1"
MAX_BYTES = 1 << 16
_MAX_TEXT = 64  # characters; the most that any identity attribute may have (PS3.5 6.2)
_FIELDS = ("patient_id", "issuer", "accession_number", "study_uid", "series_uid", "sop_uid")


@dataclass(frozen=True)
class IdentityContext:
    """Where the block belongs: names of site and device, handles (16 bytes) of study and object."""

    site: str
    device: str
    study: bytes
    object: bytes


def _aad(context: IdentityContext, custodian: bytes) -> bytes:
    return cbor.dumps([CONTEXT, context.site, context.device, context.study, context.object, custodian])


def _text(value: str) -> str:
    if len(value) > _MAX_TEXT:
        return ""  # no identifier of DICOM; cut to size, it could be another patient's
    # A header decoded with surrogateescape may hold what UTF-8 cannot; nothing may be lost or fail.
    return value.encode("utf-8", "backslashreplace").decode("utf-8")


def seal_identity(
    identity: Identity, custodian: Recipient, context: IdentityContext, *, allow_classical: bool = False
) -> bytes:
    """The block for `ObjectResult.identity`. ``identity.names`` is left out.

    A value of more than 64 characters counts as absent, so no header can keep a result from leaving.

    Raises:
        EnvelopeError: ``downgraded``.
    """
    if custodian.kem is not Kem.XWING and not allow_classical:
        raise EnvelopeError("downgraded")
    return cose.encrypt(to_plain(identity), {}, _aad(context, custodian.kid), [custodian])


def to_plain(identity: Identity) -> bytes:
    """What is sealed: the identity without its ``names``, padded to one length."""
    return pad(cbor.dumps({"v": 1, **{name: _text(getattr(identity, name)) for name in _FIELDS}}))


def open_identity(
    data: bytes,
    custodian_keys: Sequence[PrivateKey],
    context: IdentityContext,
    *,
    allow_classical: bool = False,
) -> Identity:
    """Open a block, on the custodian's side.

    Raises:
        EnvelopeError: ``too_large``, ``malformed``, ``downgraded``, ``wrong_recipient``, ``forged``
            (made for another context included).
    """
    kems = frozenset(Kem) if allow_classical else frozenset({Kem.XWING})
    parsed = cose.parse_encrypted(data, MAX_BYTES, frozenset(), kems)
    if len(parsed.recipients) != 1:
        raise EnvelopeError("malformed")
    return from_plain(cose.decrypt(parsed, _aad(context, parsed.recipients[0].kid), custodian_keys))


def from_plain(plain: bytes) -> Identity:
    """Undo `to_plain`.

    Raises:
        EnvelopeError: ``malformed``.
    """
    try:
        value = cbor.loads(unpad(plain), cbor.Limits(size=MAX_BYTES, depth=4, items=64))
    except cbor.CborError as error:
        raise EnvelopeError("malformed") from error
    if not isinstance(value, dict) or value.get("v") != 1:
        raise EnvelopeError("malformed")
    fields = {name: field for name in _FIELDS if isinstance(field := value.get(name), str)}
    if len(fields) != len(_FIELDS):
        raise EnvelopeError("malformed")
    return Identity(names=(), **fields)

"""python-cwt, written by others, opens the classical suite of our envelope, and we open its."""

from __future__ import annotations

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cwt import COSE, COSEKey, Recipient

from edge.wire.envelope import EnvelopeError, open_, seal
from edge.wire.keys import Kem, PrivateKey, SigningKey
from edge.wire.padding import pad, unpad

TOPIC = "edge/1/site/box-1/result/scanner"
PAYLOAD = b"one finding" * 50


class Peer:
    """One signer and one X25519 recipient, as our keys and as cwt's."""

    def __init__(self) -> None:
        signer, recipient = Ed25519PrivateKey.generate(), X25519PrivateKey.generate()
        self.signer = SigningKey(signer)
        self.recipient = PrivateKey(Kem.X25519, recipient.private_bytes_raw())
        kid = self.signer.kid
        # only the algorithm Ed25519 (-19, RFC 9864) is in play, not EdDSA
        self.cwt_signer = COSEKey.from_pem(_pem(signer), alg="Ed25519", kid=kid)
        self.cwt_verifier = COSEKey.from_pem(_pem(signer.public_key()), alg="Ed25519", kid=kid)
        kid = self.recipient.kid
        public = {1: 1, 2: kid, 3: 49, -1: 4, -2: recipient.public_key().public_bytes_raw()}
        self.cwt_public = COSEKey.new(public)
        self.cwt_private = COSEKey.new({**public, -4: recipient.private_bytes_raw()})
        self.aad = cbor2.dumps(["edge envelope 1", TOPIC, self.signer.kid, [kid]], canonical=True)


def _pem(key) -> bytes:
    if hasattr(key, "private_bytes"):
        return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.fixture(scope="module")
def peer() -> Peer:
    return Peer()


def test_cwt_opens_ours(peer):
    data = seal(PAYLOAD, TOPIC, peer.signer, [peer.recipient.recipient], allow_classical=True)
    cose = COSE.new()
    padded = cose.decode(data, peer.cwt_private, external_aad=peer.aad, extra_info=peer.aad)
    assert cose.decode(unpad(padded), peer.cwt_verifier, external_aad=peer.aad) == PAYLOAD


def test_cwt_refuses_ours_under_another_aad(peer):
    """The control of the test above: the aad is what cwt checked."""
    data = seal(PAYLOAD, TOPIC, peer.signer, [peer.recipient.recipient], allow_classical=True)
    with pytest.raises(Exception, match="Failed to open"):
        COSE.new().decode(data, peer.cwt_private, external_aad=peer.aad, extra_info=b"other")


def _cwt_seal(peer: Peer, aad: bytes) -> bytes:
    cose = COSE.new(deterministic_header=True)
    inner = cose.encode_and_sign(
        PAYLOAD,
        peer.cwt_signer,
        protected={1: -19, 4: peer.signer.kid},
        external_aad=aad,
    )
    cek = COSEKey.generate_symmetric_key(alg="A256GCM")
    recipient = Recipient.new(
        protected={1: 49}, unprotected={4: peer.recipient.kid}, recipient_key=peer.cwt_public, extra_info=aad
    )
    return cose.encode_and_encrypt(
        pad(inner),
        cek,
        protected={1: 3, -70001: peer.signer.kid, -70002: TOPIC},
        recipients=[recipient],
        external_aad=aad,
    )


def test_we_open_cwts(peer):
    data = _cwt_seal(peer, peer.aad)
    opened = open_(data, TOPIC, [peer.recipient], [peer.signer.public], allow_classical=True)
    assert opened.payload == PAYLOAD
    assert opened.recipients == (peer.recipient.kid,)


def test_we_refuse_cwts_under_another_aad(peer):
    with pytest.raises(EnvelopeError, match="forged"):
        open_(_cwt_seal(peer, b"x"), TOPIC, [peer.recipient], [peer.signer.public], allow_classical=True)

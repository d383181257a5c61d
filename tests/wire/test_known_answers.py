"""Bytes that were made once: a change of the wire format cannot go unnoticed.

A box and a clinic of different versions must understand each other, and sealed rows outlive updates.
"""

from __future__ import annotations

import base64
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.wire.envelope import open_
from edge.wire.keys import Kem, PrivateKey, SigningKey
from edge.wire.signed import sign_message

SIGNER = SigningKey(Ed25519PrivateKey.from_private_bytes(b"s" * 32))
RECEIVER = PrivateKey(Kem.XWING, b"r" * 32)


def test_kids():
    assert SIGNER.kid.hex() == "7c2848801c783c7722c7399c6351e398"
    assert RECEIVER.kid.hex() == "8d241edc63472d486f4b4c82ceb64547"


def test_an_envelope_of_the_first_version_opens():
    data = base64.b64decode(Path(__file__).with_name("known_envelope.txt").read_text())
    opened = open_(data, "edge/1/site/box-1/result/scanner", [RECEIVER], [SIGNER.public])
    assert opened.payload == b"known answer"


def test_a_signed_message_is_the_same_to_the_byte():
    made = sign_message("edge/1/site/box-1/ack/scanner", b"known answer", SIGNER)
    assert base64.b64encode(made).decode() == (
        "0oRVogEyBFB8KEiAHHg8dyLHOZxjUeOYoExrbm93biBhbnN3ZXJYQAYQEqXsbN5+FMfs6q9V3kqxVRXFbkpWsCSRbI0mcj/UIqU0hR30miV0"
        "Y+TJSY8/F3ZG+JqgKDyjtlT3cMNpDQc="
    )

"""Manifest, acknowledgement, signed messages, identity block: who may say what to whom."""

from __future__ import annotations

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.imaging.frames import Identity
from edge.messages import Acknowledgement, Command
from edge.wire.ack import sign_ack, verify_ack
from edge.wire.codec import encode
from edge.wire.envelope import EnvelopeError, open_
from edge.wire.identity import IdentityContext, open_identity, seal_identity
from edge.wire.keys import PrivateKey, SigningKey
from edge.wire.manifest import BoxEntry, Custodian, Manifest, ManifestError, Operator, Receiver, SealTo
from edge.wire.signed import sign_message, verify_message

ROOT, BOX, ACK, OPERATOR, MALLORY = (SigningKey.generate() for _ in range(5))
RECEIVER, CUSTODIAN, OTHER = (PrivateKey.generate() for _ in range(3))
ACK_TOPIC = "edge/1/site/box-1/ack/scanner"


def manifest(version: int = 1, **changes) -> Manifest:
    fields = {
        "version": version,
        "site": "site",
        "issued_ms": 0,
        "expires_ms": 1000,
        "receivers": [Receiver(name="r", seal=SealTo(public=RECEIVER.recipient.raw), ack=ACK.public.raw)],
        "custodians": [Custodian(name="c", seal=SealTo(public=CUSTODIAN.recipient.raw))],
        "operators": [Operator(name="o", public=OPERATOR.public.raw, commands=["ping", "later"])],
        "boxes": [BoxEntry(device="box-1", public=BOX.public.raw)],
    }
    return Manifest(**(fields | changes))


def refused(data: bytes, known: int = 0, now: int | None = 500, root=ROOT, site="site") -> str:
    with pytest.raises(ManifestError) as caught:
        Manifest.verify(data, root.public, known, now, site)
    return caught.value.reason


def test_a_manifest_names_the_roles():
    read = Manifest.verify(manifest().sign(ROOT), ROOT.public, 0, 500, "site")
    assert [r.kid for r in read.recipients()] == [RECEIVER.kid]
    assert read.custodian().kid == CUSTODIAN.kid
    assert read.ack_keys() == [ACK.public]
    assert read.operator_keys("ping") == [OPERATOR.public]
    assert read.operator_keys("status") == []
    assert read.box_keys("box-1") == read.box_keys() == [BOX.public]
    assert read.box_keys("box-2") == []


def test_the_version_only_rises():
    data = manifest(4).sign(ROOT)
    assert Manifest.verify(data, ROOT.public, 4, 500).version == 4
    assert refused(data, known=5) == "rolled_back"


def test_expiry_and_other_sites_and_other_roots():
    data = manifest().sign(ROOT)
    assert refused(data, now=1000) == "expired"
    assert Manifest.verify(data, ROOT.public, 0, None).version == 1
    assert refused(data, site="elsewhere") == "invalid"
    assert refused(manifest().sign(MALLORY)) == "unknown_sender"
    assert refused(sign_message("edge/1/a/b/state", encode(manifest()), ROOT)) == "forged"
    assert refused(sign_message("manifest", b"\xa0", ROOT)) == "invalid"


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_any_flipped_byte_of_a_manifest_is_refused(data):
    bad = bytearray(MANIFEST)
    bad[data.draw(st.integers(0, len(bad) - 1))] ^= data.draw(st.integers(1, 255))
    refused(bytes(bad))


MANIFEST = manifest().sign(ROOT)


def test_revoked_keys_no_longer_count():
    kids = [RECEIVER.kid, CUSTODIAN.kid, ACK.kid, OPERATOR.kid, BOX.kid]
    read = Manifest.verify(manifest(revoked=kids).sign(ROOT), ROOT.public, 0, 500)
    assert read.recipients() == read.ack_keys() == read.operator_keys("ping") == read.box_keys() == []
    assert read.custodian() is None


def test_a_manifest_with_a_key_that_is_none_is_invalid():
    value = cbor2.loads(encode(manifest()))
    value["receivers"][0]["seal"]["public"] = b"short"
    assert refused(sign_message("manifest", cbor2.dumps(value, canonical=True), ROOT)) == "invalid"


def ack(**changes) -> Acknowledgement:
    fields = {
        "site": "site",
        "device": "box-1",
        "stream": "scanner",
        "epoch": bytes(16),
        "upto": 7,
        "made_ms": 0,
    }
    return Acknowledgement(**(fields | changes))


def test_an_acknowledgement_is_believed_from_a_receiver_alone():
    assert verify_ack(sign_ack(ACK_TOPIC, ack(), ACK), ACK_TOPIC, [ACK.public]).upto == 7
    with pytest.raises(EnvelopeError, match="unknown_sender"):
        verify_ack(sign_ack(ACK_TOPIC, ack(), MALLORY), ACK_TOPIC, [ACK.public])


@pytest.mark.parametrize("changes", [{"site": "x"}, {"device": "box-2"}, {"stream": "cam"}])
def test_an_acknowledgement_that_contradicts_its_topic_is_refused(changes):
    with pytest.raises(EnvelopeError, match="wrong_topic"):
        verify_ack(sign_ack(ACK_TOPIC, ack(**changes), ACK), ACK_TOPIC, [ACK.public])


def test_an_acknowledgement_moved_to_another_topic_is_refused():
    other = "edge/1/site/box-2/ack/scanner"
    with pytest.raises(EnvelopeError, match="forged"):
        verify_ack(sign_ack(ACK_TOPIC, ack(), ACK), other, [ACK.public])


def test_a_signed_command_is_bound_to_its_topic():
    command = Command(id="1", type="ping", audience=["box-1"], issued_ms=0, deadline_ms=1)
    data = sign_message("edge/1/site/box-1/cmd/x", encode(command), OPERATOR)
    verified = verify_message(data, "edge/1/site/box-1/cmd/x", [OPERATOR.public, MALLORY.public])
    assert verified.kid == OPERATOR.kid
    assert verified.payload == encode(command)
    with pytest.raises(EnvelopeError, match="forged"):
        verify_message(data, "edge/1/site/box-2/cmd/x", [OPERATOR.public])


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_signed_messages_raise_envelope_errors_only(noise):
    with pytest.raises(EnvelopeError):
        verify_message(noise, ACK_TOPIC, [ACK.public])


CONTEXT = IdentityContext("site", "box-1", bytes(16), bytes(range(16)))
PATIENT = Identity("PID^77", "ISSUER", "ACC-1", "1.2.3", "1.2.3.4", "1.2.3.4.5", names=("Doe", "Jane"))


def test_only_the_custodian_reads_an_identity():
    block = seal_identity(PATIENT, CUSTODIAN.recipient, CONTEXT)
    got = open_identity(block, [CUSTODIAN], CONTEXT)
    fields = ("patient_id", "issuer", "accession_number", "study_uid", "series_uid", "sop_uid")
    assert [getattr(got, f) for f in fields] == [getattr(PATIENT, f) for f in fields]
    assert got.names == ()
    with pytest.raises(EnvelopeError, match="wrong_recipient"):
        open_identity(block, [RECEIVER], CONTEXT)
    with pytest.raises(EnvelopeError):
        open_(block, "edge/1/site/box-1/result/scanner", [CUSTODIAN], [BOX.public])


@pytest.mark.parametrize(
    "other",
    [
        IdentityContext("other", "box-1", CONTEXT.study, CONTEXT.object),
        IdentityContext("site", "box-2", CONTEXT.study, CONTEXT.object),
        IdentityContext("site", "box-1", b"x" * 16, CONTEXT.object),
        IdentityContext("site", "box-1", CONTEXT.study, b"x" * 16),
    ],
)
def test_an_identity_moved_to_another_result_does_not_open(other):
    block = seal_identity(PATIENT, CUSTODIAN.recipient, CONTEXT)
    with pytest.raises(EnvelopeError, match="forged"):
        open_identity(block, [CUSTODIAN], other)


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=64), st.text(max_size=64), st.text(max_size=16), st.text("0123456789.", max_size=64))
def test_every_identity_that_dicom_allows_has_one_length(patient, issuer, accession, uid):
    identity = Identity(patient, issuer, accession, uid, uid, uid)
    block = seal_identity(identity, CUSTODIAN.recipient, CONTEXT)
    assert len(block) == len(seal_identity(PATIENT, CUSTODIAN.recipient, CONTEXT))


def test_a_header_that_is_not_utf8_is_kept_readable():
    odd = Identity(b"M\xfcller".decode("utf-8", "surrogateescape"), "", "", "1.2", "1.3", "1.4")
    got = open_identity(seal_identity(odd, CUSTODIAN.recipient, CONTEXT), [CUSTODIAN], CONTEXT)
    assert got.patient_id == "M\\udcfcller"


def test_no_header_can_keep_its_block_from_being_sealed():
    long = Identity("\udcff" * 60_000, "1" * 65, "\udcff" * 64, "2" * 64, "3" * 10**6, "\U0010ffff" * 64)
    got = open_identity(seal_identity(long, CUSTODIAN.recipient, CONTEXT), [CUSTODIAN], CONTEXT)
    # What is too long counts as absent: cut to size it could be somebody else's.
    assert (got.patient_id, got.issuer, got.series_uid) == ("", "", "")
    assert (got.study_uid, got.sop_uid) == ("2" * 64, "\U0010ffff" * 64)
    assert got.accession_number == "\\udcff" * 64


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_any_flipped_byte_of_an_identity_is_refused(data):
    bad = bytearray(BLOCK)
    bad[data.draw(st.integers(0, len(bad) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(EnvelopeError):
        open_identity(bytes(bad), [CUSTODIAN], CONTEXT)


BLOCK = seal_identity(PATIENT, CUSTODIAN.recipient, CONTEXT)

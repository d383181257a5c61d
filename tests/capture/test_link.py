"""The socket's messages and memory: nothing from the other end is believed."""

from __future__ import annotations

import os
import socket

import cbor2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.capture import link
from edge.capture.client import unpack_decoded
from edge.capture.ring import RingReader, RingWriter
from edge.imaging.decoded import Undecodable
from edge.imaging.frames import Acquisition, Identity, Region


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    yield link.Link(ours), link.Link(theirs)
    ours.close()
    theirs.close()


def test_messages_and_memory_arrive(pair):
    ours, theirs = pair
    fd = link.memory("x", b"hello")
    ours.send({"t": "x", "n": 1}, fd)
    os.close(fd)
    message, received = theirs.receive()
    assert message == {"t": "x", "n": 1}
    assert link.read_memory(received, 5) == b"hello"
    with pytest.raises(link.LinkClosed):
        link.read_memory(received, 4)
    os.close(received)


@settings(max_examples=200, deadline=None)
@given(st.binary(min_size=1, max_size=300))
def test_any_bytes_are_a_message_or_the_end(data):
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        ours.send(data)
        try:
            message, _ = link.Link(theirs).receive()
        except link.LinkClosed:
            return
        assert isinstance(message["t"], str)


def test_deep_cbor_and_no_map_and_a_closed_end(pair):
    ours, theirs = pair
    for data in (b"\x81" * 100_000, cbor2.dumps([1]), cbor2.dumps({"t": 5})):
        ours.socket.send(data)
        with pytest.raises(link.LinkClosed):
            theirs.receive()
    ours.close()
    with pytest.raises(link.LinkClosed):
        theirs.receive()


def test_an_end_that_reads_nothing_counts_as_gone(pair):
    ours, _ = pair
    stuck = link.Link(ours.socket, send_timeout=0.2)
    filler = {"t": "x", "filler": bytes(1000)}
    with pytest.raises(link.LinkClosed):
        all(stuck.send(filler) is None for _ in range(10_000))


def test_memory_that_could_still_change_or_shrink_is_refused():
    fd = os.memfd_create("x", os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, 100)
    for written_once in (True, False):
        with pytest.raises(link.LinkClosed):
            link.map_memory(fd, 100, written_once=written_once)
    os.close(fd)
    shared = link.shared_memory("x", 100)
    link.map_memory(shared, 100, written_once=False)
    with pytest.raises(link.LinkClosed):
        link.map_memory(shared, 100, written_once=True)
    with pytest.raises(link.LinkClosed):
        link.map_memory(shared, 101, written_once=False)
    with pytest.raises(OSError, match="not permitted"):
        os.ftruncate(shared, 10)
    os.close(shared)


def test_ring_slots_and_their_bounds():
    writer = RingWriter(3, slots=2, frame_bytes=12)
    reader = RingReader(writer.fd, 3, 2, writer.slot_bytes)
    slots = [writer.take(), writer.take()]
    assert writer.take() is None
    writer.view(slots[0], (2, 2, 3))[:] = 9
    seen = reader.view(slots[0], (2, 2, 3))
    assert (seen == 9).all()
    writer.close()
    del reader
    assert (seen == 9).all()
    with pytest.raises(ValueError, match="read-only"):
        seen[0] = 1
    writer.give_back(slots[0])
    writer.give_back(slots[0])
    writer.give_back(77)
    assert writer.take() == slots[0]
    assert writer.take() is None


def test_frames_outside_the_ring_are_refused():
    writer = RingWriter(1, slots=2, frame_bytes=4096)
    reader = RingReader(writer.fd, 1, 2, writer.slot_bytes)
    for slot, shape in (
        (2, (1, 1)),
        (-1, (1, 1)),
        (0, (65, 64)),
        (0, (4,)),
        (0, (2, 2, 4)),
        (0, (0, 5)),
        (0, (-2, -2)),
    ):
        with pytest.raises(link.LinkClosed):
            reader.view(slot, shape)
    assert reader.view(1, (64, 64)).shape == (64, 64)
    for slots, size in ((0, 10), (10, 0), (3, writer.slot_bytes)):
        with pytest.raises(link.LinkClosed):
            RingReader(writer.fd, 1, slots, size)


def test_headers_survive_the_way():
    acquisition = Acquisition("US", "HEART", "PA", "Maker", "Model", (Region(1, 2, 3, 4),), secondary=True,
                              software="1.2", image_type="ORIGINAL", scripts=("cjk", "thai"))  # fmt: skip
    assert (
        link.unpack_acquisition(cbor2.loads(cbor2.dumps(link.pack_acquisition(acquisition)))) == acquisition
    )
    identity = Identity("id", "issuer", "acc", "1.2", "3.4", "5.6", ("DOE",))
    back = link.unpack_identity(cbor2.loads(cbor2.dumps(link.pack_identity(identity))))
    assert back is not None
    assert all(getattr(back, name) == getattr(identity, name) for name in Identity.__dataclass_fields__)
    assert link.unpack_identity(link.pack_identity(None)) is None


GOOD = {"t": "decoded", "ok": True, "count": 2, "shape": [4, 4],
        "acquisition": link.pack_acquisition(Acquisition()), "identity": None}  # fmt: skip


def test_a_workers_answer_is_checked():
    fd = link.memory("pixels", bytes(range(32)))
    frames = unpack_decoded(GOOD, fd).frames
    np.testing.assert_array_equal(frames[1], np.arange(16, 32, dtype=np.uint8).reshape(4, 4))
    for wrong in (
        {"count": 3},
        {"shape": [4, 4, 4]},
        {"shape": [1 << 20, 1 << 20]},
        {"count": 0},
        {"acquisition": None},
    ):
        with pytest.raises((link.LinkClosed, ValueError)):
            unpack_decoded({**GOOD, **wrong}, fd)
    with pytest.raises(ValueError, match="without pixels"):
        unpack_decoded(GOOD, None)
    os.close(fd)
    with pytest.raises(Undecodable) as error:
        unpack_decoded({**GOOD, "ok": False, "reason": "DOE^JANE"}, None)
    assert str(error.value) == "unreadable"

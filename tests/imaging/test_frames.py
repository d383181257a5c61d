"""The wall between raw and clean frames (threat model, T14)."""

from __future__ import annotations

import copy
import json
import logging
import pickle

import cbor2
import numpy as np
import pytest

from edge.imaging.frames import Acquisition, CleanFrame, Identity, RawFrame
from edge.messages import Receipt

RAW = RawFrame(np.full((4, 4), 7, np.uint8), "camera-1", 0, 0, 0, Acquisition())
WHO = Identity("4711", "ISSUER", "A1", "1.2", "1.2.3", "1.2.3.4", ("PLANTED",))


@pytest.mark.parametrize("secret", [RAW, WHO], ids=["frame", "identity"])
@pytest.mark.parametrize(
    "leave",
    [pickle.dumps, copy.copy, copy.deepcopy, bytes, "{}".format, "{:>9}".format, json.dumps, cbor2.dumps],
)
def test_what_may_show_a_person_cannot_leave_the_process(secret, leave):
    with pytest.raises((TypeError, ValueError, cbor2.CBOREncodeError)) as refused:
        leave(secret)
    assert "4711" not in str(refused.value)
    assert "PLANTED" not in str(refused.value)


def test_a_log_line_shows_nothing_of_it(caplog):
    logging.getLogger("test").warning("frame %r, identity %s", RAW, repr(WHO))
    assert "4711" not in caplog.text
    assert "<RawFrame>" in caplog.text  # the control: the line was written, and this is all of the frame


def test_nobody_but_the_gate_makes_a_clean_frame():
    receipt = Receipt(policy="p", detectors=[], kept_share=1, masked_share=0)
    for key in (None, object(), "key"):
        with pytest.raises(TypeError, match="gate"):
            CleanFrame(RAW.pixels, "camera-1", 0, 0, 0, Acquisition(), receipt, key)

"""Standing proof of the scanner: a made-up name in copies of its frames, with the real detectors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edge.anonymize.gate import Held
from edge.anonymize.proof.canary import Material, Result
from edge.anonymize.proof.kept_canary import KeptCanary
from edge.anonymize.scanner.anonymizer import ScannerAnonymizer
from edge.anonymize.self_test import SelfTest
from edge.imaging.frames import Acquisition, CleanFrame, Region
from edge.settings import Anonymize
from tests.anonymize.test_scanner import radiograph, raw
from tests.anonymize.test_screen_canary import Seen
from tests.anonymize.test_standing_proof import Blinded


def canary(scanner):
    return KeptCanary("scanner", scanner.again, 3, faces=False)


def material(witness):
    pixels, masks, _, regions = witness.passes[-1]
    return Material(pixels, 0, masks, regions)


def test_healthy_detectors_cover_what_is_planted_in_an_object(detectors):
    witness = Seen()
    scanner = ScannerAnonymizer(Anonymize(), detectors, witness=witness)
    assert isinstance(scanner.clean(raw(radiograph())), CleanFrame)
    singer = canary(scanner)
    results = [singer.sing(material(witness)) for _ in range(3)]
    assert all(result.face is None for result in results)  # an object of a scanner shows no face
    assert [result.text for result in results].count(True) >= 2
    assert [result.text for result in results].count(False) == 0


def test_blind_detectors_do_not(detectors):
    class Passing(SelfTest):
        def state(self):
            return None, 0

    blind = {name: Blinded(getattr(detectors, name)) for name in ("text", "any_script")}
    witness = Seen()
    scanner = ScannerAnonymizer(Anonymize(), replace(detectors, **blind), clock=lambda: 0, witness=witness)
    scanner._self_test = Passing(detectors, 600, 640)
    assert isinstance(scanner.clean(raw(radiograph(None))), CleanFrame)
    assert canary(scanner).sing(material(witness)) == Result(text=False)


def test_a_scanner_that_is_stopped_sends_nothing_but_its_canaries_still_prove(detectors):
    witness = Seen(stop="recall_low")
    scanner = ScannerAnonymizer(Anonymize(), detectors, witness=witness)
    held = scanner.clean(raw(radiograph()))
    assert isinstance(held, Held)
    assert held.reason == "recall_low"
    assert canary(scanner).sing(material(witness)).text is True


def test_the_witness_sees_what_is_kept_alone_and_where_it_was_masked(detectors):
    witness = Seen()
    scanner = ScannerAnonymizer(Anonymize(), detectors, witness=witness)
    kept = Region(100, 80, 400, 300)
    pixels = radiograph()
    scanner.clean(raw(pixels, Acquisition(modality="US", regions=(kept,))))
    ((before, masks, _, regions),) = witness.passes
    inside = np.zeros(pixels.shape, bool)
    inside[kept.top : kept.bottom, kept.left : kept.right] = True
    assert np.array_equal(before[inside], pixels[inside])
    assert not before[~inside].any()
    assert regions == (kept,)
    assert masks == []  # the name stood outside
    scanner.clean(raw(pixels))
    assert any(box.left < 60 < box.right and box.top < 32 < box.bottom for box in witness.passes[-1][1])


@pytest.mark.parametrize("size", [(64, 64), (200, 512)])
def test_a_frame_without_room_for_a_canary_has_no_witness(detectors, size):
    witness = Seen()
    scanner = ScannerAnonymizer(Anonymize(), detectors, witness=witness)
    assert isinstance(scanner.clean(raw(np.full(size, 90, np.uint8))), CleanFrame)
    assert witness.passes == []

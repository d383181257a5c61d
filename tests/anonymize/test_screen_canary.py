"""Standing proof of a scanner's screen: canaries in what its layout keeps, with the real detectors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edge.anonymize.gate import Held
from edge.anonymize.geometry import Box
from edge.anonymize.layout.learn import learn
from edge.anonymize.layout.match import Confirmed
from edge.anonymize.layout.screen import ScreenAnonymizer
from edge.anonymize.proof.canary import Material, Result
from edge.anonymize.proof.screen_canary import ScreenCanary
from edge.anonymize.self_test import SelfTest
from edge.imaging.frames import Acquisition, CleanFrame, RawFrame
from edge.settings import Anonymize, Source
from tests.anonymize.screens import NAME, moving, quiet, samples, vendor_a
from tests.anonymize.test_standing_proof import Blinded

SOURCE = Source(name="sono", looks_at="screen", rate=30.0)


@pytest.fixture(scope="module")
def layout() -> Confirmed:
    return Confirmed(learn(samples(), [[]] * 6, "sono").template, b"s" * 32)


class Seen:
    """A witness that keeps what it sees, and stops the source when told."""

    def __init__(self, stop=None):
        self.stop, self.passes = stop, []

    def obstacle(self):
        return self.stop

    def asks(self):
        return False

    def passed(self, pixels, masks, outcome, self_test, regions=(), *, faces=True):
        self.passes.append((pixels, masks, outcome, regions))

    def forget(self):
        pass


def screen(detectors, layout, witness):
    return ScreenAnonymizer(
        SOURCE, Anonymize(), detectors, lambda: [layout], lambda _: None, lambda _: None,
        realtime=False, clock=lambda: 0, witness=witness,
    )  # fmt: skip


def shown(gate, count=4):
    """Some frames through the gate: what came out."""
    image = quiet()
    out = []
    for i in range(count):
        pixels = moving(vendor_a(NAME, 7), image, i)
        out += gate.push(RawFrame(pixels, "sono", i, i * 33_000_000, 0, Acquisition("US", "LIVER")))
    return out + gate.flush()


class Everywhere(Blinded):
    def find(self, image, within=None):
        return [Box(0, 0, image.shape[1], image.shape[0], elongation=5.0)]


def sung(detectors, layout, times=6):
    witness = Seen()
    gate = screen(detectors, layout, witness)
    assert all(isinstance(item, CleanFrame) for item in shown(gate))
    pixels, masks, _, regions = witness.passes[0]
    canary = ScreenCanary("sono", gate.again, detectors, 5)
    return [canary.sing(Material(pixels, 0, masks, regions)) for _ in range(times)]


def test_healthy_detectors_cover_what_is_planted_in_a_screen(detectors, layout):
    told = [covered for result in sung(detectors, layout) for covered in (result.face, result.text)]
    assert told.count(True) >= 4
    assert told.count(False) == 0


def test_blind_detectors_do_not(detectors, layout):
    class Passing(SelfTest):
        def state(self):
            return None, 0

    blind = replace(
        detectors, **{name: Blinded(getattr(detectors, name)) for name in ("faces", "text", "any_script")}
    )
    witness = Seen()
    gate = screen(blind, layout, witness)
    gate._self_test = Passing(detectors, 600, 640)
    shown(gate)
    pixels, masks, _, regions = witness.passes[0]
    canary, material = ScreenCanary("sono", gate.again, blind, 5), Material(pixels, 0, masks, regions)
    assert [canary.sing(material) for _ in range(2)] == [Result(face=False), Result(text=False)]
    # A text mask over a face is no find of the face detector.
    wide = replace(blind, text=Everywhere(detectors.text))
    assert ScreenCanary("sono", gate.again, wide, 5).sing(material) == Result(face=False)


def test_the_witness_sees_nothing_but_what_the_layout_keeps(detectors, layout):
    witness = Seen()
    shown(screen(detectors, layout, witness))
    kept = np.zeros((720, 1280), bool)
    for region in layout.template.regions():
        kept[region.top : region.bottom, region.left : region.right] = True
    assert witness.passes
    for pixels, _, outcome, regions in witness.passes:
        assert not pixels[~kept].any()  # the patient's name stands in the bar
        assert pixels[kept].any()
        assert tuple(regions) == layout.template.regions()
        assert isinstance(outcome, CleanFrame)


def test_a_source_that_is_stopped_sends_nothing_but_its_canaries_still_prove(detectors, layout):
    witness = Seen(stop="recall_low")
    gate = screen(detectors, layout, witness)
    out = shown(gate)
    assert {item.reason for item in out if isinstance(item, Held)} == {"recall_low"}
    assert len(out) == 4
    pixels, masks, _, regions = witness.passes[0]
    canary = ScreenCanary("sono", gate.again, detectors, 5)
    assert canary.sing(Material(pixels, 0, masks, regions)).face is True


def test_a_canary_of_another_layout_proves_nothing(detectors, layout):
    witness = Seen()
    gate = screen(detectors, layout, witness)
    shown(gate)
    pixels, masks, _, regions = witness.passes[0]
    other = tuple(replace(region, left=region.left + 8) for region in regions)
    assert ScreenCanary("sono", gate.again, detectors, 5).sing(Material(pixels, 0, masks, other)) == Result()
    assert ScreenCanary("sono", gate.again, detectors, 5).sing(Material(pixels, 0, masks)) == Result()

"""Grabber frames under a signed layout, with the real detectors: what leaves, and what never does (F3)."""

from __future__ import annotations

import threading
from dataclasses import replace

import cv2
import numpy as np
import pytest

from edge.anonymize.camera.track import Glimpse
from edge.anonymize.detectors import UnavailableText
from edge.anonymize.gate import Held
from edge.anonymize.layout import screen as screen_module
from edge.anonymize.layout.kept import cut
from edge.anonymize.layout.learn import learn
from edge.anonymize.layout.looks import Scene
from edge.anonymize.layout.match import Confirmed, Decision, Recognized
from edge.anonymize.layout.screen import ScreenAnonymizer
from edge.imaging.frames import Acquisition, CleanFrame, RawFrame
from edge.imaging.layout_template import LayoutTemplate
from edge.settings import Anonymize, Source
from tests.anonymize.screens import (
    NAME,
    RIGHT,
    TOP,
    legible,
    moving,
    new_software,
    quiet,
    samples,
    vendor_a,
    vendor_b,
    write,
)

STEP_NS = 33_000_000


@pytest.fixture(scope="module")
def layout() -> Confirmed:
    return Confirmed(learn(samples(), [[]] * 6, "sono").template, b"s" * 32)


@pytest.fixture(scope="module")
def film() -> list[np.ndarray]:
    """The same screen for 48 frames, its image moving by two pixels a frame."""
    image = quiet()
    return [moving(vendor_a(NAME, 7), image, step) for step in range(48)]


class Grabber:
    """One source, its quarantine and its clinic."""

    def __init__(self, detectors, *layouts, **options):
        self.layouts, self.kept, self.told, self.now = list(layouts), [], [], 0
        self.given_back = 0
        source = Source(name="sono", looks_at="screen", rate=30.0)
        options = {"realtime": False, "clock": lambda: self.now, **options}
        self.gate = ScreenAnonymizer(
            source, Anonymize(), detectors, lambda: self.layouts, self.keep, self.told.append, **options
        )

    def keep(self, raw):
        self.kept.append(raw.pixels.copy())
        return bytes([len(self.kept)]) * 16

    def raw(self, pixels, index):
        def release():
            self.given_back += 1
            buffer[:] = 255  # the ring is used again at once

        buffer = pixels.copy()
        return RawFrame(buffer, "sono", index, self.now, 0, Acquisition("US", "LIVER"), release=release)

    def show(self, frames):
        out = []
        for index, pixels in enumerate(frames):
            self.now += STEP_NS
            out += self.gate.push(self.raw(pixels, index))
        return out + self.gate.flush()


def reasons(outcomes) -> set:
    return {outcome.reason if isinstance(outcome, Held) else "clean" for outcome in outcomes}


def test_what_is_kept_is_kept_bit_for_bit_and_the_rest_is_black(detectors, layout, film):
    grabber = Grabber(detectors, layout)
    out = grabber.show(film)
    assert reasons(out) == {"clean"}
    assert [frame.index for frame in out] == list(range(len(film)))
    (region,) = layout.template.keep
    kept = np.s_[region.top : region.bottom, region.left : region.right]
    for frame, pixels in zip(out, film, strict=True):
        expected = np.zeros_like(pixels)
        expected[kept] = pixels[kept]
        assert frame.receipt.masked_share == 0
        assert np.array_equal(frame.pixels, expected)
    assert grabber.given_back == len(film)
    assert [(news.layout, news.quarantined) for news in grabber.told] == [("sono 1", None)]


def test_the_receipt_names_the_signed_template(detectors, layout, film):
    frame = Grabber(detectors, layout).show(film[:2])[0]
    first = frame.receipt.detectors[0]
    assert (first.name, first.sha256, first.before_ms, first.after_ms) == ("layout", layout.sha256, 0, 0)


def test_a_name_that_a_changed_layout_moves_into_the_image_never_leaves(detectors, layout, film, monkeypatch):
    changed = [new_software(pixels) for pixels in film[:12]]
    grabber = Grabber(detectors, layout)
    out = grabber.show(film[:6] + changed)
    assert reasons(out[:6]) == {"clean"}
    assert reasons(out[6:]) == {"unknown_layout"}
    assert len(grabber.kept) == 1
    assert np.array_equal(grabber.kept[0], changed[0])  # what a technician needs to see
    known, lost = grabber.told
    assert (known.layout, known.why, known.quarantined) == ("sono 1", "matches", None)
    assert (lost.layout, lost.why, lost.quarantined) == (None, "changed_patch", bytes([1]) * 16)

    # The control: without the fingerprint and the looks at what is kept, the name is there to be read.
    known = Recognized(layout, layout.template.regions())
    monkeypatch.setattr(screen_module, "recognize", lambda *_: (known, Decision("matches")))
    unseeing = replace(no_text(detectors), faces=NoFaces(detectors.faces))
    blind = Grabber(unseeing, layout)
    (leaked,) = [o for o in blind.show(changed[:1]) if isinstance(o, CleanFrame)]
    assert legible(leaked.pixels, changed[0]) > 0.9


class NoFaces:
    """Passes its self-test and sees nothing in service: a face detector may take a letter for a face."""

    def __init__(self, real):
        self.name, self.sha256, self._real = real.name, real.sha256, real

    def find(self, image, width):
        return self._real.find(image, width) if image.shape[:2] == (192, 320) else []


class NoText:
    """A text detector that passes its self-test and sees nothing in service."""

    def __init__(self, real):
        self.name, self.sha256, self.glance, self._real = real.name, real.sha256, real.glance, real

    def find(self, image, within=None):
        return self._real.find(image) if image.shape[:2] == (320, 320) else []

    def find_beside(self, image, lines):
        return []


def no_text(detectors):
    return replace(detectors, text=NoText(detectors.text), any_script=NoText(detectors.any_script))


@pytest.mark.parametrize("frames", [[vendor_b(NAME, 3)] * 3, [np.zeros((480, 640, 3), np.uint8)] * 3])
def test_an_unknown_layout_is_suppressed_to_the_last_frame(detectors, layout, frames):
    grabber = Grabber(detectors, layout)
    assert reasons(grabber.show(frames)) == {"unknown_layout"}
    assert len(grabber.kept) == 1


def test_without_a_template_nothing_leaves(detectors, film):
    grabber = Grabber(detectors)
    assert reasons(grabber.show(film[:5])) == {"unknown_layout"}
    assert grabber.told[0].why == "no_template"


def test_a_template_that_is_revoked_while_running_counts_no_more(detectors, layout, film):
    grabber = Grabber(detectors, layout)
    assert reasons(grabber.show(film[:2])) == {"clean"}
    grabber.layouts.clear()
    assert reasons(grabber.show(film[:2])) == {"unknown_layout"}


def pop_up(pixels) -> np.ndarray:
    out = pixels.copy()
    cv2.rectangle(out, (400, 300), (760, 380), (60, 60, 66), -1)
    write(out, NAME, 420, 350, 255, 0.8)
    return out


@pytest.mark.parametrize("length", [1, 3, 20])
def test_a_pop_up_inside_the_image_leaves_in_no_frame_however_short(detectors, layout, film, length):
    shown = [pop_up(p) if 20 <= n < 20 + length else p for n, p in enumerate(film)]
    out = Grabber(detectors, layout).show(shown)
    assert len(out) == len(film)
    clean = [frame for frame in out if isinstance(frame, CleanFrame)]
    assert len(clean) >= len(film) - 1
    named = [frame for frame in clean if 20 <= frame.index < 20 + length]
    assert named
    assert max(legible(frame.pixels, shown[frame.index]) for frame in named) == 0


def test_a_caption_on_a_moving_image_is_masked_in_every_frame(detectors, layout, film):
    captioned = [p.copy() for p in film]
    for pixels in captioned:
        write(pixels, NAME, 306, 522, 255)
    out = Grabber(detectors, layout).show(captioned)
    assert reasons(out) == {"clean"}
    shown = [legible(frame.pixels, pixels) for frame, pixels in zip(out, captioned, strict=True)]
    assert max(shown) == 0
    assert all(0 < frame.receipt.masked_share < 0.2 for frame in out)


def test_a_detector_that_fails_holds_everything_back(detectors, layout, film):
    broken = replace(detectors, text=UnavailableText(detectors.text.name, "gone"))
    assert reasons(Grabber(broken, layout).show(film[:5])) == {"detector_failed"}


def test_a_detector_that_stalls_costs_frames_not_freshness(detectors, layout, film):
    go_on = threading.Event()

    class Stalled(NoText):
        def find(self, image, within=None):
            if image.shape[:2] != (320, 320):
                go_on.wait()
            return self._real.find(image)

    grabber = Grabber(replace(detectors, text=Stalled(detectors.text)), layout, realtime=True)
    out = []
    for index in range(60):
        grabber.now += 100_000_000
        out += grabber.gate.push(grabber.raw(film[index % 40], index))
    assert len(out) >= 25
    assert reasons(out) == {"no_bracket"}
    go_on.set()
    late = []
    for index in range(60, 70):
        grabber.gate._looks.wait(60)
        grabber.now += 100_000_000
        late += grabber.gate.push(grabber.raw(film[index % 40], index))
    grabber.gate.close()
    clean = [frame for frame in late if isinstance(frame, CleanFrame)]
    assert clean
    for frame in clean:
        assert all(0 <= d.before_ms <= 3000 and 0 <= d.after_ms <= 3000 for d in frame.receipt.detectors)


def test_a_screen_that_flickers_neither_floods_the_clinic_nor_the_quarantine(detectors, layout, film):
    grabber = Grabber(detectors, layout)
    other = vendor_b(NAME, 1)
    grabber.show([film[n // 2] if n % 2 else other for n in range(20)])
    assert (len(grabber.kept), len(grabber.told)) == (1, 2)
    for _ in range(200):  # hours of it
        grabber.now += 60_000_000_000
        grabber.show([other])
    assert len(grabber.kept) < 15


def test_a_released_frame_is_cleaned_by_the_template_that_a_person_signed(detectors, layout, film):
    grabber = Grabber(detectors)
    raw = grabber.raw(film[0], 0)
    assert grabber.gate.clean(raw).reason == "unknown_layout"
    grabber.layouts.append(layout)
    clean = grabber.gate.clean(raw)
    (region,) = layout.template.keep
    assert np.array_equal(
        clean.pixels[region.top : region.bottom, region.left : region.right],
        cut(film[0], layout.template.regions()).pixels,
    )
    assert not clean.pixels[:60].any()
    named = grabber.raw(pop_up(film[0]), 1)
    assert grabber.gate.clean(named).receipt.texts > 0


def test_looks_at_what_was_shown_before_and_after_a_pop_up_say_nothing_of_it():
    around = [Glimpse(at_ns, (8, 8), ()) for at_ns in (19, 23)]
    assert Scene(20, 22).of(around) == []
    assert Scene(19, 23).of(around) == around


def test_a_label_that_is_dragged_is_masked_all_the_way(detectors, layout, film):
    dragged = [p.copy() for p in film]
    for step, pixels in enumerate(dragged):
        write(pixels, NAME, 300 + 5 * step, 420, 255)
    out = Grabber(detectors, layout).show(dragged)
    shown = {o.index: legible(o.pixels, dragged[o.index]) for o in out if isinstance(o, CleanFrame)}
    assert len(shown) > len(film) // 2
    assert max(shown.values()) == 0


def another(layout, **keep) -> Confirmed:
    """A template whose chrome is the same, and which keeps something else."""
    (region,) = layout.template.keep
    whole = {**layout.template.model_dump(), "keep": [region.model_copy(update=keep)], "name": "other"}
    return Confirmed(LayoutTemplate.model_validate(whole), b"o" * 32)


def test_of_templates_that_the_chrome_cannot_tell_apart_only_what_both_keep_is_kept(detectors, layout, film):
    narrow = another(layout, top=TOP + 100, right=RIGHT - 80)
    for order in ([layout, narrow], [narrow, layout]):
        (frame,) = Grabber(detectors, *order).show(film[:1])
        assert not frame.pixels[: narrow.template.keep[0].top].any()
        assert not frame.pixels[:, narrow.template.keep[0].right :].any()
        assert frame.pixels.any()
    (region,) = layout.template.keep
    upper, lower = another(layout, bottom=region.top + 80), another(layout, top=region.bottom - 80)
    grabber = Grabber(detectors, upper, lower)
    assert reasons(grabber.show(film[:1])) == {"unknown_layout"}
    assert grabber.told[0].why == "ambiguous"

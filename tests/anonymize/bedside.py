"""A camera by its privacy switch, and frames that say their number."""

from __future__ import annotations

import cv2
import numpy as np

from edge.anonymize.camera.anonymizer import CameraAnonymizer
from edge.anonymize.consent.file import FileSwitch
from edge.anonymize.consent.sight import sight_of
from edge.anonymize.consent.switch import PrivacySwitch
from edge.imaging.frames import CleanFrame
from edge.settings import Anonymize, Source
from tests.anonymize.leaving import raw

S, FRAME_NS = 1_000_000_000, 33_333_333
SOURCE = Source(
    name="cam", looks_at="scene", whole_scene=True, consent="switch", consent_by="data protection office"
)


class Bedside:
    """A camera by its switch, a file, on one clock; a frame each thirtieth of a second."""

    def __init__(self, tmp_path, detectors):
        self.file = tmp_path / "switch"
        self.now_ns = 1000 * S
        self.index = 0
        self.switch = PrivacySwitch(FileSwitch(self.file), S, clock=lambda: self.now_ns)
        self.camera = CameraAnonymizer(
            SOURCE, Anonymize(), detectors, realtime=False, clock=lambda: self.now_ns,
            sight=sight_of(SOURCE, self.switch),
        )  # fmt: skip
        self.out = []

    def turn(self, to):
        if to == "open":
            self.file.write_text(to)
        else:
            self.file.unlink(missing_ok=True)

    def open_and_wait(self):
        self.turn("open")
        self.switch.view()
        self.now_ns += S
        assert self.switch.view().why is None

    def frames(self, count):
        """Frames that each carry their number; what comes out."""
        out = []
        for _ in range(count):
            self.now_ns += FRAME_NS
            out += self.camera.push(raw(marked(self.index), self.index, self.now_ns))
            self.index += 1
        self.out += out
        return out

    def end(self):
        out = self.camera.flush()
        self.camera.close()
        self.out += out
        return out


TEXTURE = cv2.resize(np.random.default_rng(1).integers(30, 70, (9, 16, 3)).astype(np.uint8), (320, 180))


def marked(index):
    """A scene that is lighter all over with each frame: its light is the frame's number."""
    return TEXTURE + np.uint8(2 * index)


def shown(outcomes):
    """Numbers of the frames that left, read from their pixels."""
    clean = [item.pixels.astype(int) for item in outcomes if isinstance(item, CleanFrame)]
    return [int(np.median(pixels - TEXTURE)) // 2 for pixels in clean]

"""A camera with detectors that do only what a test says, and whose looks may go wrong."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edge.anonymize import self_test
from edge.anonymize.geometry import Box
from edge.imaging.frames import CleanFrame
from edge.settings import Source
from tests.anonymize.leaving import raw

FRAME_NS = 33_333_333
SOURCE = Source(
    name="cam", looks_at="scene", whole_scene=True, consent="signage", consent_by="data protection office"
)
RIM = (255, 0, 255)


class Marked:
    """Finds what has a magenta rim, at once and always: so that a fault is the only thing that goes wrong."""

    def __init__(self, real, fault=lambda look: None):
        self.real, self.fault, self.looks = real, fault, 0
        self.name, self.sha256 = real.name, real.sha256

    def find(self, image, width):
        if image.shape == self_test.known_face()[0].shape:
            return self.real.find(image, width)
        self.looks += 1
        self.fault(self.looks)
        red, green, blue = (image[:, :, i].astype(int) for i in range(3))
        ys, xs = np.nonzero((red > green + 60) & (blue > green + 60))
        return [Box(xs.min(), ys.min(), xs.max() + 1, ys.max() + 1, 0.9)] if len(xs) else []


class NoText:
    """Finds the self-test's text alone: a text mask must not hide a face that was missed."""

    def __init__(self, real):
        self.real, self.name, self.sha256 = real, real.name, real.sha256

    def find(self, image, within=None):
        return self.real.find(image, within)

    def glance(self, image, side):
        known = image.shape[:2] == self_test.known_text()[0].shape
        return self.real.glance(image, side) if known else []


def with_fault(detectors, fault):
    return replace(detectors, faces=Marked(detectors.faces, fault), any_script=NoText(detectors.any_script))


def replayed(camera, scenes, before=lambda index: None):
    """Every frame as fast as it is taken; what came out. ``before`` each frame something may happen."""
    out = []
    for i, (scene, _) in enumerate(scenes):
        before(i)
        out += camera.push(raw(scene, i, i * FRAME_NS))
    out += camera.flush()
    camera.close()
    assert [item.index for item in out] == list(range(len(scenes)))
    return out


def clean(out):
    return [item for item in out if isinstance(item, CleanFrame)]

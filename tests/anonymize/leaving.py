"""What leaves a camera's room, searched for what was planted; and the control, in which everything leaves."""

from __future__ import annotations

import cv2
import numpy as np

from edge.imaging import frames
from edge.imaging.frames import Acquisition, CleanFrame, RawFrame
from edge.messages import Receipt

READABLE = 0.1
"""Share of the eyes-to-mouth box above which a bare part of it is a leak."""


def moving(face, count=26, step=11, size=(360, 640), turned=None, start=20):
    """A face (160, 160, 3) that crosses the scene, and where its eyes and mouth are: four corners (x, y).

    ``turned``: degrees by which the whole camera is turned in frame n, as a function of n.
    """
    rng = np.random.default_rng(3)
    rows, columns = size
    ground = cv2.resize(
        rng.integers(60, 120, (9, 16, 3)).astype(np.uint8), (columns, rows), interpolation=cv2.INTER_CUBIC
    )
    for i in range(count):
        scene = ground.copy()
        x = start + i * step
        scene[100:260, x : x + 160] = face
        box = np.array([(x + 58, 152), (x + 102, 152), (x + 102, 212), (x + 58, 212)], float)
        if turned is not None:
            turn = cv2.getRotationMatrix2D((columns / 2, rows / 2), turned(i), 1.0)
            scene = cv2.warpAffine(scene, turn, (columns, rows), borderMode=cv2.BORDER_REPLICATE)
            box = box @ turn[:, :2].T + turn[:, 2]
        yield scene, box.astype(np.int32)


def bare(pixels, scene, corners) -> float:
    """Share of the planted part (a polygon) that leaves exactly as the camera saw it."""
    inside = np.zeros(scene.shape[:2], np.uint8)
    cv2.fillConvexPoly(inside, corners, 1)
    same = (pixels == scene).all(axis=2) & scene.any(axis=2)
    return float(same[inside > 0].mean()) if inside.any() else 0.0


def leaks(outcomes, scenes) -> list[int]:
    """Numbers of the frames that left with the planted part readable."""
    return [
        item.index
        for item in outcomes
        if isinstance(item, CleanFrame) and bare(item.pixels, *scenes[item.index]) > READABLE
    ]


def passed_through(scenes) -> list[CleanFrame]:
    """The control: the same frames with anonymization off."""
    return [
        CleanFrame(
            pixels=scene.copy(), source="cam", index=i, captured_ns=i, captured_ms=0,
            acquisition=Acquisition(), _key=frames._GATE_KEY,
            receipt=Receipt(policy="control", detectors=[], kept_share=1, masked_share=0),
        )
        for i, (scene, _) in enumerate(scenes)
    ]  # fmt: skip


def control_finds_all(scenes) -> bool:
    """Whether the search finds the planted part in each frame once nothing is masked."""
    return leaks(passed_through(scenes), scenes) == list(range(len(scenes)))


def raw(scene, index, at_ns, release=None) -> RawFrame:
    return RawFrame(scene, "cam", index, at_ns, 0, Acquisition(), release=release)

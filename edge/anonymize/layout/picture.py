"""A proposal as a picture for a technician. It shows a sample: it may show a patient."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.anonymize.geometry import Box
from edge.anonymize.layout.learn import Proposal
from edge.imaging.frames import Pixels
from edge.imaging.layout_template import CELL

LEGEND = (
    ("kept", (0, 220, 0)),
    ("must look as here", (70, 120, 255)),
    ("changes, not kept", (255, 150, 0)),
    ("text in what is kept", (255, 0, 0)),
    ("the same text in all samples: no patient's?", (255, 255, 0)),
)
_STRIP = 44


def draw(proposal: Proposal, sample: Pixels, digest: str) -> Pixels:
    """The sample with the proposal on it, RGB (rows + `_STRIP`, columns, 3), and a strip that explains it.

    Args:
        proposal: what is proposed.
        sample: one of the frames that it was learnt from.
        digest: of the template; names in the picture what will be signed.
    """
    rgb = sample if sample.ndim == 3 else np.repeat(sample[:, :, None], 3, axis=2)
    picture = rgb.astype(np.float32)
    for cells, (_, colour) in (
        (proposal.template.chrome_mask(), LEGEND[1]),
        (proposal.fields, LEGEND[2]),
    ):
        mask = _pixels(cells, sample.shape[:2])
        picture[mask] = 0.65 * picture[mask] + 0.35 * np.array(colour, np.float32)
    shown = picture.round().astype(np.uint8)
    keep = [Box(r.left, r.top, r.right, r.bottom) for r in proposal.template.keep]
    for boxes, (_, colour), width in (
        (keep, LEGEND[0], 3),
        (proposal.texts_inside, LEGEND[3], 2),
        (proposal.texts_static, LEGEND[4], 1),
    ):
        _outline(shown, boxes, colour, width)
    return np.concatenate([shown, _strip(proposal, digest, sample.shape[1])])


def _pixels(cells: NDArray[np.bool_], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    mask = np.zeros(shape, bool)
    whole = np.kron(cells, np.ones((CELL, CELL), bool))
    mask[: whole.shape[0], : whole.shape[1]] = whole
    return mask


def _outline(picture: Pixels, boxes: Sequence[Box], colour: tuple[int, int, int], width: int) -> None:
    for box in boxes:
        corners = (int(box.left), int(box.top)), (int(box.right) - 1, int(box.bottom) - 1)
        cv2.rectangle(picture, *corners, colour, width)


def _strip(proposal: Proposal, digest: str, columns: int) -> Pixels:
    strip: Pixels = np.full((_STRIP, columns, 3), 20, np.uint8)
    template = proposal.template
    title = f"{template.name} version {template.version}  {digest}"
    cv2.putText(strip, title, (6, 17), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1, cv2.LINE_AA)
    left = 6
    for words, colour in LEGEND:
        cv2.putText(strip, words, (left, 37), cv2.FONT_HERSHEY_SIMPLEX, 0.45, colour, 1, cv2.LINE_AA)
        left += 9 * len(words) + 14
    return strip

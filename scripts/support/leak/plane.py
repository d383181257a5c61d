"""A thing with writing on it, seen straight on; and the same in a frame, with where its ink is there. Pure.

The truth is where ink was drawn: it goes through the same bends and turns as the picture does, and so does
how far along its line each pixel lies. Nothing looks for text here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from support.leak.canvas import INK, Ink, Picture

OVER = 2
"""Pixels of a plane to one of the frame, so that its turns lose nothing."""
_LENS = 0.8
"""Blur of a plane's own pixels, which a turn would else alias."""


@dataclass(frozen=True, repr=False)
class Plane:
    """Layers (rows, columns) of a thing; its picture has a third axis of 3."""

    picture: Picture
    matte: Picture
    """How much of each pixel is the thing, of 255."""
    opacity: Picture
    """How much is ink."""
    line: Picture
    """Which line a pixel belongs to, from 1 on; 0: none."""
    along: NDArray[np.float32]
    """Pixels of the frame along the line."""
    size: float
    """Of the font, in pixels an em in the frame."""
    glows: bool = False
    """Whether it has light of its own."""

    def bent(self, bow: float) -> Plane:
        """As on a cylinder, whose visible half the plane's width is.

        Args:
            bow: how far the middle of a straight line hangs below its ends, in radii.
        """
        rows, columns = self.matte.shape
        radius = columns / np.pi
        across = np.arange(int(2 * radius), dtype=np.float32) - radius + 0.5
        turn = np.arcsin(np.clip(across / radius, -1, 1))
        xs = np.repeat((radius * turn + columns / 2)[None], rows, 0).astype(np.float32)
        drop = bow * radius * (np.cos(turn) - 1)
        ys = (np.arange(rows)[:, None] - drop[None]).astype(np.float32)
        shade = 0.45 + 0.55 * np.cos(turn)[None, :, None]
        picture, along = (
            cv2.remap(layer, xs, ys, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            for layer in (self.picture, self.along)
        )
        matte, opacity = (cv2.remap(layer, xs, ys, cv2.INTER_LINEAR) for layer in (self.matte, self.opacity))
        return replace(
            self,
            picture=np.asarray(picture * shade, np.uint8),
            matte=np.asarray(matte, np.uint8),
            opacity=np.asarray(opacity, np.uint8),
            line=np.asarray(cv2.remap(self.line, xs, ys, cv2.INTER_NEAREST), np.uint8),
            along=np.asarray(along, np.float32),
        )

    def softened(self) -> Plane:
        """As a lens draws it."""
        picture, matte, opacity = (
            np.asarray(cv2.GaussianBlur(layer, (0, 0), _LENS), np.uint8)
            for layer in (self.picture, self.matte, self.opacity)
        )
        return replace(self, picture=picture, matte=matte, opacity=opacity)

    def paste(self, scene: Picture, to_frame: NDArray[np.float64], light: float) -> list[Ink]:
        """Paste into ``scene`` by a homography, and say where each line's ink is, beyond its edges, too."""
        rows, columns = self.matte.shape
        corners = np.array([[[0, 0], [columns, 0], [columns, rows], [0, rows]]], np.float64)
        corners = cv2.perspectiveTransform(corners, to_frame)[0]
        x0, y0 = np.floor(corners.min(0)).astype(int).tolist()
        x1, y1 = np.ceil(corners.max(0)).astype(int).tolist()
        left, top, right, bottom = max(0, x0), max(0, y0), min(scene.shape[1], x1), min(scene.shape[0], y1)
        if left < right and top < bottom:
            local, size = _from(left, top) @ to_frame, (right - left, bottom - top)
            drawn = cv2.warpPerspective(self.picture, local, size, borderMode=cv2.BORDER_REPLICATE)
            share = cv2.warpPerspective(self.matte, local, size).astype(np.float32)[:, :, None] / 255
            window = scene[top:bottom, left:right]
            window[:] = window * (1 - share) + light * drawn * share
        return self._ink(_from(x0, y0) @ to_frame, (x1 - x0, y1 - y0), (x0, y0))

    def _ink(self, local: NDArray[np.float64], size: tuple[int, int], corner: tuple[int, int]) -> list[Ink]:
        """Of a window of the frame, which may reach beyond the frame's edges."""
        ys, xs = np.nonzero(cv2.warpPerspective(self.opacity, local, size) >= INK)
        if not ys.size:
            return []
        back = cv2.perspectiveTransform(np.stack([xs, ys], 1)[None].astype(np.float64), np.linalg.inv(local))
        last = np.array(self.matte.shape[::-1]) - 1
        x, y = np.clip(np.round(back[0]), 0, last).astype(int).T
        line, along = self.line[y, x], self.along[y, x].astype(np.float64)
        lines = (np.nonzero(line == number)[0] for number in range(1, int(self.line.max()) + 1))
        return [Ink(ys[of] + corner[1], xs[of] + corner[0], along[of], self.size) for of in lines]


def _from(x: int, y: int) -> NDArray[np.float64]:
    """Moves (x, y) to (0, 0)."""
    return np.array([[1, 0, -x], [0, 1, -y], [0, 0, 1]], np.float64)

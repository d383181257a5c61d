"""A camera: V4L2 through OpenCV."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import cv2

from edge.capture.grabber import Grabbed, SourceGone


def _open_v4l2(path: str) -> Any:
    return cv2.VideoCapture(path, cv2.CAP_V4L2)


class Camera:
    """A V4L2 device. One that is unplugged raises `SourceGone` and can be opened again.

    OpenCV waits at most 10 s for a frame of a V4L2 device, so a stuck one is noticed.
    """

    def __init__(
        self, path: str, width: int, height: int, rate: float, max_pixels: int,
        open_capture: Callable[[str], Any] = _open_v4l2,
    ) -> None:  # fmt: skip
        self._path, self._width, self._height, self._rate = path, width, height, rate
        self._max_pixels = max_pixels
        self._open_capture = open_capture
        self._capture: Any = None
        self._index = 0

    def open(self) -> None:
        """Open the device and ask for size and rate; what it then delivers is taken."""
        if self._capture is not None:
            return
        capture = self._open_capture(self._path)
        if not capture.isOpened():
            capture.release()
            raise SourceGone("the camera does not open")
        # Motion JPEG: most USB cameras reach 30 frames a second at 720p only so.
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, self._width)
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, self._height)
        capture.set(cv2.CAP_PROP_FPS, self._rate)
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 2)
        self._capture = capture

    def grab(self) -> Grabbed:
        """The next frame, stamped as it leaves the driver.

        Raises:
            SourceGone: the camera gives no frame any more, or one that is too large.
        """
        if self._capture is None or not self._capture.grab():
            raise SourceGone("the camera gives no frames")
        captured_ns, captured_ms = time.monotonic_ns(), time.time_ns() // 1_000_000
        good, bgr = self._capture.retrieve()
        if not good or bgr is None:
            raise SourceGone("the camera gives no frames")
        if bgr.shape[0] * bgr.shape[1] > self._max_pixels:
            raise SourceGone("the camera's frames are too large", for_good=True)
        index, self._index = self._index, self._index + 1
        return Grabbed(bgr, index, captured_ns, captured_ms)

    def close(self) -> None:
        """Release the device."""
        if self._capture is not None:
            self._capture.release()
            self._capture = None

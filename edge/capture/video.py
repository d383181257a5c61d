"""A video file: at its own pace, or as fast as frames are taken."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2

from edge.capture.grabber import Grabbed, SourceGone

_LATE_NS = 50_000_000  # a frame so late is passed over
_DEFAULT_RATE = 25.0


def _open_file(path: str) -> Any:
    # A device or an address, which FFmpeg would open as well, is a camera: it sees by consent alone.
    if not Path(path).is_file():
        return cv2.VideoCapture()
    # One decoding thread: the processor belongs to the stages after this.
    return cv2.VideoCapture(path, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])


class Video:
    """A file read by OpenCV's FFmpeg.

    Time comes from the file's time stamps. At its own pace a frame's ``captured_ns`` is the moment
    at which it is due; at fast pace it is the moment at which it was read. ``captured_ms`` is the
    start of playing plus the frame's time in the file. With ``loop`` time and index go on.
    """

    def __init__(
        self, path: str, *, real_time: bool, loop: bool, max_pixels: int,
        open_capture: Callable[[str], Any] = _open_file,
    ) -> None:  # fmt: skip
        self._path, self._real_time, self._loop = path, real_time, loop
        self._max_pixels = max_pixels
        self._open_capture = open_capture
        self._capture: Any = None
        self._rate = _DEFAULT_RATE
        self._index = 0
        self._in_file = 0
        self._offset_ns = 0
        self._position_ns = 0
        self._start: tuple[int, int] | None = None

    def open(self) -> None:
        """Open the file at its beginning, or do nothing if it is open.

        Raises:
            SourceGone: it is no video, or its frames are too large.
        """
        if self._capture is not None:
            return
        capture = self._open_capture(self._path)
        if not capture.isOpened():
            capture.release()
            raise SourceGone("the video does not open", for_good=True)
        size = capture.get(cv2.CAP_PROP_FRAME_WIDTH) * capture.get(cv2.CAP_PROP_FRAME_HEIGHT)
        if size > self._max_pixels:
            capture.release()
            raise SourceGone("the video's frames are too large", for_good=True)
        rate = capture.get(cv2.CAP_PROP_FPS)
        self._rate = rate if 1.0 <= rate <= 240.0 else _DEFAULT_RATE
        self._capture = capture
        self._in_file = 0

    def grab(self) -> Grabbed | None:
        """The next frame that is due; waits for its moment at the file's own pace.

        Raises:
            SourceGone: the file has no frame that can be read.
        """
        skipped = 0
        while True:
            if not self._capture.grab():
                if not self._begin_again():
                    self._index += skipped
                    return None
                continue
            due_ns, captured_ms = self._next_moment()
            now = time.monotonic_ns()
            if self._real_time and now - due_ns > _LATE_NS:
                skipped += 1
                continue
            good, bgr = self._capture.retrieve()
            if not good or bgr is None:
                raise SourceGone("the video cannot be decoded", for_good=True)
            if self._real_time and due_ns > now:
                time.sleep((due_ns - now) / 1e9)
            index = self._index + skipped
            self._index = index + 1
            return Grabbed(
                bgr, index, due_ns if self._real_time else time.monotonic_ns(), captured_ms, skipped
            )

    def _next_moment(self) -> tuple[int, int]:
        """When the frame just grabbed is due (monotonic) and its Unix time in milliseconds."""
        step_ns = int(1e9 / self._rate)
        stamp_ns = int(self._capture.get(cv2.CAP_PROP_POS_MSEC) * 1e6)
        position = self._offset_ns + stamp_ns
        # Time stamps that stand still, go back or jump: the nominal rate instead.
        if self._in_file and not 0 < position - self._position_ns < 10_000_000_000:
            position = self._position_ns + step_ns
        if not self._in_file:
            position = self._offset_ns
            self._offset_ns -= stamp_ns  # a file may begin later than at 0
        self._in_file += 1
        self._position_ns = position
        if self._start is None:
            self._start = (
                time.monotonic_ns() - position,
                time.time_ns() // 1_000_000 - position // 1_000_000,
            )
        return self._start[0] + position, self._start[1] + position // 1_000_000

    def _begin_again(self) -> bool:
        """At the end of the file: start over if it loops. False: it is finished."""
        frames = self._in_file
        self.close(keep_time=True)
        if not frames:
            raise SourceGone("the video holds no frame that can be read", for_good=True)
        if not self._loop:
            return False
        self._offset_ns = self._position_ns + int(1e9 / self._rate)
        self.open()
        return True

    def close(self, *, keep_time: bool = False) -> None:
        """Close the file. Opened again it starts at its beginning, at the time of then."""
        if self._capture is not None:
            self._capture.release()
            self._capture = None
        if not keep_time:
            self._start, self._offset_ns, self._position_ns = None, 0, 0

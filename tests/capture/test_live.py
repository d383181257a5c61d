"""Cameras and videos: newest wins, fast drops nothing, a dead source stops no other."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import eventually, make_video

from edge.capture import link
from edge.capture.backoff import Backoff
from edge.capture.camera import Camera
from edge.capture.grabber import Grabbed, SourceGone
from edge.capture.live_worker import LiveWorker
from edge.capture.ring import RingReader
from edge.capture.video import Video


def source(name: str, path: Path, pace: str = "fast", more: str = "") -> str:
    head = f'[[source]]\nname = "{name}"\nkind = "video"\nmodality = "CR"\n'
    return f'{head}path = "{path}"\npace = "{pace}"\n{more}\n'


def number_of(frame) -> float:
    """The frame's number, as `make_video` wrote it."""
    return (float(frame[:, -40:].mean()) - 40) / 2


# --- video through the process


def test_a_fast_video_arrives_complete_in_order_and_in_rgb(box, tmp_path):
    make_video(tmp_path / "v.mp4", 80)
    seen = []

    def slow(frame):
        time.sleep(0.005)
        assert not frame.pixels.flags.writeable
        seen.append(
            (frame.index, number_of(frame.pixels), frame.pixels[100, 50].tolist(), frame.acquisition.modality)
        )
        frame.release()

    box.on_frame = slow
    box.settings(source("v", tmp_path / "v.mp4"), dicom="enabled = false")
    box.start()
    box.connect()
    eventually(lambda: box.state_of("v") == "finished" and len(seen) == 80)
    assert [index for index, *_ in seen] == list(range(80))
    assert all(abs(value - index) < 2.5 for index, value, *_ in seen)
    red, green, blue = seen[0][2]
    assert blue > 200
    assert red < 60
    assert green < 60
    assert seen[0][3] == "CR"
    assert box.sources["v"].dropped == 0
    assert box.sources["v"].frames == 80


def test_fast_waits_while_the_daemon_keeps_all_slots(box, tmp_path):
    make_video(tmp_path / "v.mp4", 100)
    held = []
    box.on_frame = held.append
    box.settings(source("v", tmp_path / "v.mp4"), dicom="enabled = false")
    box.start()
    box.connect()
    eventually(lambda: len(held) == 32)
    time.sleep(0.5)
    assert len(held) == 32  # all slots of the ring
    eventually(lambda: box.state_of("v") == "running")
    at = 0
    until = time.monotonic() + 20
    while at < 100 and time.monotonic() < until:
        if at < len(held):
            assert abs(number_of(held[at].pixels) - at) < 2.5  # not overwritten while held
            held[at].release()
            at += 1
        else:
            time.sleep(0.01)
    assert at == 100
    eventually(lambda: box.state_of("v") == "finished")


def test_at_its_own_pace_the_newest_wins_and_drops_are_counted(box, tmp_path):
    make_video(tmp_path / "v.mp4", 90)
    seen = []

    def slow(frame):
        seen.append((frame.index, time.monotonic_ns() - frame.captured_ns))
        time.sleep(0.2)
        frame.release()

    box.on_frame = slow
    box.settings(source("v", tmp_path / "v.mp4", "real"), dicom="enabled = false")
    box.start()
    box.connect()
    eventually(lambda: box.state_of("v") == "finished" and seen[-1][0] == 89)
    indices = [index for index, _ in seen]
    assert indices == sorted(set(indices))
    assert len(indices) < 30
    eventually(lambda: box.sources["v"].dropped == 90 - len(seen), 3)
    # Stale frames gave way: what is shown is never older than two frames waiting and one at work.
    assert max(age for _, age in seen[3:]) < 0.9e9


def test_at_its_own_pace_it_keeps_time(box, tmp_path):
    make_video(tmp_path / "v.mp4", 60)
    moments = []

    def note(frame):
        moments.append((time.monotonic(), frame.captured_ns, frame.captured_ms))
        frame.release()

    box.on_frame = note
    box.settings(source("v", tmp_path / "v.mp4", "real"), dicom="enabled = false")
    box.start()
    box.connect()
    eventually(lambda: box.state_of("v") == "finished")
    assert 1.7 < moments[-1][0] - moments[0][0] < 2.6  # 59 intervals at 30 frames a second: 1.97 s
    steps = np.diff([captured for _, captured, _ in moments]) / 1e6
    assert np.median(steps) == pytest.approx(33.3, abs=1.0)


def test_loop_goes_on_with_time_and_index(box, tmp_path):
    make_video(tmp_path / "v.mp4", 10)
    box.settings(source("v", tmp_path / "v.mp4", "fast", "loop = true"), dicom="enabled = false")
    box.start()
    box.connect()
    eventually(lambda: len(box.frames) > 35)
    assert [frame.index for frame in box.frames[:35]] == list(range(35))
    stamps = [frame.captured_ms for frame in box.frames[:35]]
    assert stamps == sorted(stamps)
    assert stamps[34] - stamps[0] == pytest.approx(34 * 1000 / 30, abs=10)


def camera(name: str, consent: str = "") -> str:
    device = 'kind = "camera"\npath = "/dev/video-none"\nlooks_at = "monitor"\n'
    return f'[[source]]\nname = "{name}"\n{device}{consent}'


def test_a_dead_or_killed_source_stops_no_other(box, tmp_path):
    make_video(tmp_path / "a.mp4", 30)
    (tmp_path / "broken.mp4").write_bytes(b"this is no video" * 100)
    more = "".join((
        source("good", tmp_path / "a.mp4", "real", "loop = true"),
        source("broken", tmp_path / "broken.mp4"),
        source("missing", tmp_path / "none.mp4"),
        camera("camera", 'consent = "no_patient"\nconsent_by = "data protection office"\n'),
        camera("unasked"),
        f'[[source]]\nname = "drop"\nkind = "folder"\npath = "{tmp_path}/none"\n',
    ))  # fmt: skip
    box.settings(more, dicom="enabled = false")
    box.start()
    box.connect()
    eventually(lambda: box.state_of("good") == "running" and box.state_of("broken") == "failed")
    eventually(lambda: box.state_of("missing") == "failed" and box.state_of("camera") == "waiting")
    eventually(lambda: box.state_of("drop") == "waiting")
    assert box.state_of("unasked") == "blind"  # without a consent mode its device is not opened
    count = len(box.frames)
    eventually(lambda: len(box.frames) > count + 10)
    assert box.sources["good"].last_frame_age_ms is not None
    assert box.sources["good"].last_frame_age_ms < 1000
    assert box.sources["broken"].last_frame_age_ms is None
    # Kill the process of the good source: another takes its place.
    good = next(pid for pid in box.children() if str(tmp_path / "a.mp4").encode().hex() in cmdline(pid))
    os.kill(good, signal.SIGKILL)
    eventually(lambda: any(frame.index == 0 for frame in box.frames[count + 10 :]))
    assert box.process.poll() is None


def cmdline(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")


def test_a_video_is_a_file_and_no_address_or_device(tmp_path):
    """What else FFmpeg opens is a camera, which needs consent."""
    make_video(tmp_path / "v.mp4", 5)

    def video(path):
        return Video(path, real_time=False, loop=False, max_pixels=1 << 20)

    video(str(tmp_path / "v.mp4")).open()
    with pytest.raises(SourceGone):
        video(f"file:{tmp_path}/v.mp4").open()


def test_a_file_that_appears_later_is_played(box, tmp_path):
    box.settings(source("v", tmp_path / "v.mp4"), dicom="enabled = false")
    box.start()
    box.connect()
    eventually(lambda: box.state_of("v") == "failed")
    make_video(tmp_path / "made.mp4", 12)
    (tmp_path / "made.mp4").rename(tmp_path / "v.mp4")
    eventually(lambda: box.state_of("v") == "finished" and len(box.frames) == 12)


def test_frames_come_again_after_capture_or_daemon_were_killed(box, tmp_path):
    make_video(tmp_path / "v.mp4", 30)
    box.settings(source("v", tmp_path / "v.mp4", "real", "loop = true"), dicom="enabled = false")
    box.start()
    client = box.connect()
    eventually(lambda: len(box.frames) > 5)
    last = box.frames[-1]
    shown = last.pixels.copy()
    box.kill()
    np.testing.assert_array_equal(last.pixels, shown)  # the memory outlives the process
    last.release()  # of a process that is gone: no error
    box.start()
    assert client.wait_connected(20)
    count = len(box.frames)
    eventually(lambda: len(box.frames) > count + 5)
    # The daemon dies: the source waits, and goes on for the next one.
    client.stop()
    time.sleep(0.6)
    count = len(box.frames)
    box.connect()
    eventually(lambda: len(box.frames) > count + 5)


# --- the camera's state machine. No V4L2 device here: a fake takes the place of cv2.VideoCapture.


class FakeCapture:
    """Gives ``frames`` frames, then fails as an unplugged camera does."""

    opened = 0

    def __init__(self, works: bool = True, frames: int = 3, size: tuple[int, int] = (48, 64)) -> None:
        self.works, self.left, self.size = works, frames, size
        self.released = False
        FakeCapture.opened += 1

    def isOpened(self):  # noqa: N802
        return self.works

    def set(self, *_):
        return True

    def grab(self):
        self.left -= 1
        time.sleep(0.01)
        return self.left >= 0

    def retrieve(self):
        return True, np.full((*self.size, 3), 7, np.uint8)

    def release(self):
        self.released = True


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    yield link.Link(ours), link.Link(theirs)
    ours.close()
    theirs.close()


def test_a_camera_that_goes_and_comes_back(pair):
    ours, theirs = pair
    captures = [
        FakeCapture(frames=3),
        FakeCapture(works=False),
        FakeCapture(works=False),
        FakeCapture(frames=1000),
    ]
    made = list(captures)
    camera = Camera("/dev/video0", 64, 48, 30, 1 << 20, open_capture=lambda _path: made.pop(0))
    worker = LiveWorker(theirs, camera, backoff=Backoff(0.02, 0.1))
    thread = threading.Thread(target=worker.run)
    thread.start()
    ours.send({"t": "attach"})
    states, indices, ring = [], [], None
    while len(indices) < 20:
        message, fd = ours.receive()
        if message["t"] == "ring":
            ring = RingReader(fd, message["g"], message["slots"], message["size"])
            os.close(fd)
        elif message["t"] == "frame":
            assert ring.view(message["slot"], tuple(message["shape"]))[0, 0].tolist() == [7, 7, 7]
            indices.append(message["i"])
            ours.send({"t": "release", "g": message["g"], "slot": message["slot"]})
        elif not states or states[-1] != message["state"]:
            states.append(message["state"])
    assert indices[:4] == [0, 1, 2, 3]
    assert states[:6] == ["waiting", "starting", "running", "waiting", "starting", "running"]
    assert all(capture.released for capture in captures[:3])
    ours.close()
    thread.join(5)
    assert not thread.is_alive()
    assert captures[3].released


def test_a_camera_with_impossible_frames_fails_for_good():
    camera = Camera("/dev/video0", 64, 48, 30, 100, open_capture=lambda _path: FakeCapture())
    camera.open()
    with pytest.raises(SourceGone) as gone:
        camera.grab()
    assert gone.value.for_good


@pytest.mark.skipif(not Path("/dev/video0").exists(), reason="no V4L2 device here")
def test_a_real_camera():
    camera = Camera("/dev/video0", 640, 480, 30, 1 << 26)
    camera.open()
    assert isinstance(camera.grab(), Grabbed)
    camera.close()


class OddStamps:
    """A file whose time stamps stand still and jump back."""

    stamps = (500.0, 533.0, 533.0, 100.0, 600.0)

    def __init__(self) -> None:
        self.at = -1

    def isOpened(self):  # noqa: N802
        return True

    def get(self, what):
        return {cv2.CAP_PROP_FPS: 30.0, cv2.CAP_PROP_POS_MSEC: self.stamps[max(0, self.at)]}.get(what, 10.0)

    def grab(self):
        self.at += 1
        return self.at < len(self.stamps)

    def retrieve(self):
        return True, np.zeros((10, 10, 3), np.uint8)

    def release(self):
        pass


def test_odd_time_stamps_never_run_backwards():
    video = Video("x", real_time=True, loop=False, max_pixels=1000, open_capture=lambda _path: OddStamps())
    video.open()
    found = [video.grab() for _ in range(6)]
    assert found[-1] is None
    moments = [grabbed.captured_ns for grabbed in found if grabbed]
    assert len(moments) == 5
    assert moments == sorted(set(moments))
    assert moments[-1] - moments[0] < 0.3e9


def test_backoff_doubles_to_its_bound_and_starts_again():
    backoff = Backoff(0.1, 0.5)
    assert [backoff.next() for _ in range(4)] == [0.1, 0.2, 0.4, 0.5]
    backoff.reset()
    assert backoff.next() == 0.1

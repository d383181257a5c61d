"""Faults of parts in a running camera: process killed, model file swapped, camera turned (F1, T13).

What leaves is searched pixel by pixel for the planted face; with anonymization off the search finds it.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from edge.anonymize import models
from edge.anonymize.camera.anonymizer import CameraAnonymizer
from edge.anonymize.detectors import load_detectors
from edge.settings import Anonymize
from tests.anonymize.faulty import SOURCE, NoText, clean, replayed
from tests.anonymize.leaving import READABLE, bare, control_finds_all, leaks, moving
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def scenes(face):
    made = list(moving(face, 24, 5))
    assert control_finds_all(made)
    return made


CHILD = """
import sys
import numpy as np
from edge.anonymize.camera.anonymizer import CameraAnonymizer
from edge.anonymize.detectors import load_detectors
from edge.imaging.frames import CleanFrame
from edge.settings import Anonymize
from tests.anonymize.leaving import passed_through, raw
from tests.anonymize.faulty import SOURCE

scenes = np.load(sys.argv[1])
detectors = load_detectors(Anonymize())
camera = CameraAnonymizer(SOURCE, Anonymize(), detectors, realtime=False)
for i, scene in enumerate(scenes):
    out = camera.push(raw(scene, i, i * 33_333_333))
    if len(sys.argv) > 2:
        out = passed_through([(scene, None)])
    for item in out:
        if isinstance(item, CleanFrame):
            sys.stdout.buffer.write(item.pixels.tobytes())
            sys.stdout.buffer.flush()
"""


@pytest.mark.parametrize("control", [False, True])
def test_a_process_killed_amid_its_looks_has_let_no_raw_frame_out(scenes, tmp_path, control):
    frames = tmp_path / "scenes.npy"
    np.save(frames, np.stack([scene for scene, _ in scenes]))
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, str(frames), *(["control"] if control else [])],
        stdout=subprocess.PIPE, cwd=ROOT,
    ) as child:  # fmt: skip
        size = scenes[0][0].nbytes
        left = child.stdout.read(7 * size)
        child.kill()
        left += child.stdout.read()  # what was under way in the pipe
    whole = np.frombuffer(left, np.uint8, count=len(left) // size * size).reshape(-1, *scenes[0][0].shape)
    assert len(whole) >= 7
    # A frame that was cut off by the kill is judged by what is there of it.
    rest = np.frombuffer(left, np.uint8, offset=whole.nbytes)
    last = np.zeros(size, np.uint8)
    last[: len(rest)] = rest
    shown = [*whole, last.reshape(scenes[0][0].shape)] if len(rest) else list(whole)
    found = [i for i, pixels in enumerate(shown) if bare(pixels, *scenes[i]) > READABLE]
    assert found == (list(range(len(whole))) if control else []) or (
        control and set(range(len(whole))) <= set(found)
    )


def test_a_model_file_swapped_while_the_camera_runs_changes_nothing_and_is_refused_next(
    scenes, tmp_path, monkeypatch
):
    files = {}
    for known in (models.ROTATION_FREE, models.CENTERFACE, models.PP_OCR_DET, models.ANY_SCRIPT):
        files[known.name] = tmp_path / f"{known.name}.onnx"
        shutil.copy(models.locate(known), files[known.name])
    monkeypatch.setattr(models, "locate", lambda known, path=None: files[known.name])
    loaded = load_detectors(Anonymize())
    assert loaded.problems == ()

    def swap(index):
        if index == 6:
            other = tmp_path / "other.onnx"
            other.write_bytes(b"another model")
            other.replace(files[models.ROTATION_FREE.name])

    def camera(detectors):
        return CameraAnonymizer(SOURCE, Anonymize(), detectors, realtime=False)

    some = scenes[:12]
    out = replayed(camera(replace(loaded, any_script=NoText(loaded.any_script))), some, swap)
    assert leaks(out, some) == []
    assert len(clean(out)) == 12
    used = [use for item in clean(out) for use in item.receipt.detectors if use.name == loaded.faces.name]
    # What looked is what was checked, not what lies there now.
    assert {use.sha256.hex() for use in used} == {models.ROTATION_FREE.sha256}
    assert clean(replayed(camera(load_detectors(Anonymize())), some)) == []


@pytest.mark.parametrize("step", [90, 15, 5], ids=["at once", "in 6 frames", "in 18 frames"])
def test_a_camera_turned_by_90_degrees_while_it_runs_shows_no_face(detectors, face, step):
    """Turned about its axis, on its mount; the frames keep their shape."""
    made = list(moving(face, 40, 4, turned=lambda i: min(90, max(0, i - 14) * step)))
    assert control_finds_all(made)
    real = replace(detectors, any_script=NoText(detectors.any_script))
    out = replayed(CameraAnonymizer(SOURCE, Anonymize(), real, realtime=False), made)
    assert leaks(out, made) == []
    assert {item.index for item in clean(out)} >= set(range(10))  # it saw before, and sees again
    assert {item.index for item in clean(out)} >= set(range(36, 40))

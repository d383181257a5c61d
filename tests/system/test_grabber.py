"""A grabber on a real box: a signed layout, new software, quarantine, and a person who mends it. Cites F3."""

from __future__ import annotations

import json
import shutil
import stat

import cv2
import numpy as np
import pytest

from tests.anonymize.screens import (
    LEFT,
    PATIENTS,
    TOP,
    legible,
    moving,
    new_software,
    quiet,
    tissue,
    vendor_a,
)

pytestmark = pytest.mark.system

SOURCE = """
[[source]]
name = "sono"
kind = "video"
path = "{film}"
pace = "fast"
rate = 10.0
looks_at = "screen"
modality = "MR"
body_part = "BRAIN"
layouts = ["{layout}"]
"""
KNOWN, CHANGED = 25, 15


def screens():
    """Frames of a known layout, then frames in which the patient's name stands inside the image."""
    image = quiet()
    film = [moving(vendor_a(PATIENTS[0], 7), image, step) for step in range(KNOWN + CHANGED)]
    return film[:KNOWN] + [new_software(screen, PATIENTS[0]) for screen in film[KNOWN:]]


def write_film(path, frames):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (1280, 720))
    for frame in frames:
        writer.write(frame[:, :, ::-1])
    writer.release()


def sign(here, folder, draw, name, version):
    """A technician learns a layout from samples of three patients, looks at it and signs it."""
    paths = []
    for seed, patient in enumerate(PATIENTS[:3]):
        paths.append(folder / f"{name}-{version}-{seed}.png")
        cv2.imwrite(str(paths[-1]), draw(patient, seed)[:, :, ::-1])
    draft = folder / f"{name}-{version}.layout"
    samples = [str(path) for path in paths]
    said = here.edge(
        "layout", "learn", *samples, "--out", str(draft), "--name", name, "--version", str(version)
    )
    digest = said.rpartition("--confirm ")[2].strip()
    here.edge("clinic", "sign-layout", str(here.clinic), str(draft), "--confirm", digest)
    return draft.with_name(draft.name + ".cose")


def updated(patient, seed):
    """Samples of the new software: other images under the same name line."""
    screen = vendor_a(patient, seed)
    screen[TOP:620, LEFT:980] = (tissue(620 - TOP, 980 - LEFT, seed) * 0.7).astype(np.uint8)
    return new_software(screen, patient)


def emitted(tap):
    """Clean frames, gray; the tap writes a frame's .json after its pixels."""
    return [np.load(path.with_suffix(".npy")) for path in sorted(tap.glob("sono-*.json"))]


def most_legible(frames):
    """Of the name that the last frame of the film shows inside its image."""
    planted = cv2.cvtColor(screens()[-1], cv2.COLOR_RGB2GRAY)
    return max((legible(frame, planted) for frame in frames), default=0.0)


def test_a_changed_screen_is_held_kept_told_and_mended_by_a_person(site, tmp_path):
    from support.site import wait_for

    film, place = tmp_path / "film.avi", tmp_path / "sono.layout.cose"
    write_film(film, screens())
    here = site(source=SOURCE.format(film=film, layout=place))
    here.enrol()
    shutil.copy(sign(here, tmp_path, vendor_a, "sono", 1), place)
    here.start_broker()
    here.start_receiver(table=False)
    here.start_capture()
    here.start_daemon(tmp_path / "tap")

    def told():
        return [(body["layout"], body["why"]) for body in here.results("layout_change")]

    wait_for("the loss of the layout told", lambda: len(told()) == 2, 60)
    assert told()[0] == ("sono 1", "matches")
    assert told()[1][0] is None

    def held():
        return sum(body["suppressed"].get("unknown_layout", 0) for body in here.results("live"))

    wait_for("frames held back", lambda: held() == CHANGED, 60)
    wait_for("frames that left", lambda: len(emitted(tmp_path / "tap")) == KNOWN, 60)
    assert most_legible(emitted(tmp_path / "tap")) == 0

    # A technician looks at what was kept.
    settings = ("--settings", str(here.settings))
    (line,) = here.edge("quarantine", "list", *settings).splitlines()
    assert all(word in line for word in ("unknown_layout", "frame", "sono"))
    assert not any(word in line for patient in PATIENTS for word in patient.replace("^", " ").split())
    object_id = line.split()[0]
    picture = tmp_path / "kept.png"
    here.edge("quarantine", "show", object_id, "--out", str(picture), *settings)
    assert stat.S_IMODE(picture.stat().st_mode) == 0o600
    assert most_legible([cv2.imread(str(picture), cv2.IMREAD_GRAYSCALE)]) > 0.9  # the control
    on_disk = b"".join(p.read_bytes() for p in (here.state / "quarantine").rglob("*") if p.is_file())
    raw = cv2.imread(str(picture))[:, :, ::-1]
    assert raw[TOP + 40].tobytes() not in on_disk

    # Released without a new template it is held again; with one it passes, and the name is not in it.
    def left():
        return here.edge("quarantine", "list", *settings)

    here.edge("quarantine", "release", object_id, *settings)
    wait_for("the frame back in quarantine", lambda: "released" not in left() and object_id in left(), 30)
    new = sign(here, tmp_path, updated, "sono", 2)
    shutil.copy(new, place.with_suffix(".new"))
    place.with_suffix(".new").replace(place)
    here.edge("quarantine", "release", object_id, *settings)
    wait_for("an empty quarantine", lambda: left() == "", 30)
    wait_for("its clean frame", lambda: len(emitted(tmp_path / "tap")) == KNOWN + 1, 30)
    assert most_legible(emitted(tmp_path / "tap")) == 0
    audit = [json.loads(text) for text in (here.state / "quarantine.audit").read_text().splitlines()]
    assert [text["what"] for text in audit] == ["show", "release", "settle", "release", "settle"]
    assert audit[2]["held"] == "unknown_layout"
    assert audit[4]["held"] is None
    assert "5 lines" in here.edge("quarantine", "audit", *settings)

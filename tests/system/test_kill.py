"""kill -9 of daemon, capture, receiver and broker at random moments: nothing lost, nothing twice (T15)."""

from __future__ import annotations

import json
import random
import threading
import time

import cv2
import numpy as np
import pytest

OBJECTS = 200
SEED = 20


def _objects(folder):
    """Small objects of four kinds, one of which goes all the way through anonymizer and classifier."""
    from support import inputs

    names, files = inputs.Names(SEED), []
    kinds = (("MR", "BRAIN", ""), ("CT", "CHEST", ""), ("MR", "KNEE", ""), ("CR", "HAND", "PA"))
    rng = np.random.default_rng(SEED)
    uids = set()
    for number in range(OBJECTS):
        image = np.full((64, 64), 20, np.uint8)
        cv2.ellipse(
            image, (32, 32), (22, 27), int(rng.integers(0, 90)), 0, 360, int(rng.integers(90, 200)), -1
        )
        image = cv2.GaussianBlur(image, (0, 0), 1.0)
        if number % 10 == 0:
            study = {
                "name": names.new(), "id": names.digits(), "accession": names.digits(),
                "study": inputs.generate_uid(), "series": inputs.generate_uid(),
            }  # fmt: skip
        made = inputs.dicom(image, kinds[number // 10 % 4], study, number)
        uids.add(str(made.SOPInstanceUID))
        files.append(folder / f"{number:03d}.dcm")
        made.save_as(files[-1], enforce_file_format=True)
    return files, uids


@pytest.mark.system
@pytest.mark.timeout(600)
def test_two_hundred_objects_survive_random_kills(site, tmp_path):
    from support.site import wait_for

    here = site(extra='[log]\nlevel = "warning"')
    (tmp_path / "objects").mkdir()
    files, uids = _objects(tmp_path / "objects")
    start = {
        "broker": here.start_broker,
        "receiver": lambda: here.start_receiver(table=False),
        "capture": here.start_capture,
        "daemon": here.launch_daemon,
    }
    here.enrol()
    for begin in start.values():
        begin()
    kills, done, chance = [], threading.Event(), random.Random(SEED)

    def killer():
        while not done.is_set():
            done.wait(chance.uniform(0.5, 2.0))
            name = chance.choice(list(start))
            here.kill(name)
            kills.append(name)
            time.sleep(chance.uniform(0, 0.5))
            start[name]()

    thread = threading.Thread(target=killer)
    thread.start()
    try:
        for file in files:
            # A sender keeps what was not answered with success, and sends it again.
            assert here.store([file], retries=40) == 0
    finally:
        done.set()
        thread.join()

    def results(kind):
        lines = here.edge("clinic", "results", str(here.clinic)).splitlines()
        return [line for line in map(json.loads, lines) if line["kind"] == kind]

    def in_series():
        return sum(line["objects"] for line in here.results("series"))

    wait_for("a result for each object", lambda: len(here.results("object")) >= OBJECTS, 240)
    wait_for("each object's part in a series result", lambda: in_series() >= OBJECTS, 60)
    time.sleep(3)  # whatever comes twice has time to come
    answers = results("object")
    identities = here.edge("clinic", "reidentify", str(here.clinic), "--all").splitlines()
    found = [json.loads(line)["sop_uid"] for line in identities]
    assert len(set(kills)) == 4, f"each process was killed at least once: {kills}"
    assert (len(answers), len({line["object"] for line in answers})) == (OBJECTS, OBJECTS)
    assert (len(found), set(found)) == (OBJECTS, uids)
    # A series may be closed by time while its sender is cut off, and open again; no object counts twice.
    assert sum(line["objects"] for line in results("series")) == OBJECTS
    assert any(o["kind"] == "finding" for line in answers for o in line["outcomes"])
    print(f"\n{len(kills)} kills: " + ", ".join(f"{kills.count(name)} of {name}" for name in start))

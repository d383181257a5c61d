"""The custodian's key is rotated while a box is cut off with results under the old one. Cites T8, T11."""

from __future__ import annotations

import json
import shutil
import sqlite3

import cv2
import numpy as np
import pytest

pytestmark = pytest.mark.system


def write(folder, number):
    """A small object that goes all the way through anonymizer and classifier."""
    from support import inputs

    image = np.full((96, 96), 20, np.uint8)
    cv2.ellipse(image, (48, 48), (30, 40), 15 * number, 0, 360, 150, -1)
    uids = {"study": inputs.generate_uid(), "series": inputs.generate_uid()}
    study = {"name": "DOE", "id": str(number), "accession": "", **uids}
    path = folder / f"{number}.dcm"
    made = inputs.dicom(cv2.GaussianBlur(image, (0, 0), 1.0), ("MR", "BRAIN", ""), study, number)
    made.save_as(path, enforce_file_format=True)
    return path


def test_results_that_waited_in_the_spool_open_after_a_rotation(site, tmp_path):
    from support.site import wait_for

    files = [write(tmp_path, number) for number in range(5)]
    here = site()
    here.enrol()
    here.start_capture()
    here.start_daemon()  # without a broker: results wait in the spool
    box, clinic = here.settings.parent, here.clinic
    old = (box / "manifest.cose").read_bytes()

    def answered():
        with sqlite3.connect(f"file:{here.state / 'spool.db'}?mode=ro", uri=True) as database:
            return database.execute("SELECT COUNT(*) FROM row WHERE stream = 'scanner'").fetchone()[0]

    assert here.store(files[:2]) == 0
    wait_for("two results in the spool", lambda: answered() == 2, 60)
    here.edge("clinic", "rotate-custodian", str(clinic))
    bring(clinic / "receiver" / "manifest.cose", box / "manifest.cose")
    assert here.store(files[2:4]) == 0
    wait_for("four results in the spool", lambda: answered() == 4, 60)

    here.start_broker()
    here.start_receiver(table=False)
    wait_for("four results at the clinic", lambda: len(here.results("object")) == 4, 60)
    rows = [json.loads(line) for line in here.edge("clinic", "reidentify", str(clinic), "--all").splitlines()]
    assert len({row["sop_uid"] for row in rows}) == 4
    assert all(row["signed"] for row in rows)
    vault = here.edge("clinic", "receipts", str(clinic))
    (tmp_path / "receipts").write_text(vault)
    said = here.edge("clinic", "verify-receipt", str(clinic), str(tmp_path / "receipts"))
    assert (said.count("the signature holds"), "WARNING" in said) == (4, False)

    # Both keys were in use, and the older manifest, put back, brings the old one into use no more.
    assert here.edge("clinic", "reseal", str(clinic)) == "sealed anew: 2; not opened: 0\n"
    (tmp_path / "old").write_bytes(old)
    bring(tmp_path / "old", box / "manifest.cose")
    assert here.store(files[4:]) == 0
    wait_for("a refusal", lambda: "manifest was refused: rolled_back" in log(here), 30)
    assert len(list((here.state / "inbox").glob("0*"))) == 1  # it waits; nothing is sealed to an old key


def bring(source, target):
    """As a person with a stick would: copied aside, then put in place at once."""
    shutil.copy(source, target.with_suffix(".new"))
    target.with_suffix(".new").replace(target)


def log(here):
    return (here.logs / "daemon.log").read_text()

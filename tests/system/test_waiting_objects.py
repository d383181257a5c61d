"""Scanner objects while they are latched: they wait in the inbox, until a person has acknowledged (F9)."""

from __future__ import annotations

import sys
import time

import pytest

from edge.store.leaks import Kept, LeakLedger
from tests.system.test_bad_input import _dicom
from tests.system.test_blind_cameras import told

pytestmark = pytest.mark.system


def test_latched_objects_wait_and_are_answered_after_a_persons_word(site, tmp_path):
    """A box that takes files from a folder alone: no process tells of its scanner objects."""
    from support.site import wait_for

    folder = tmp_path / "watched"
    folder.mkdir()
    here = site(source=f'[[source]]\nname = "drop"\nkind = "folder"\npath = "{folder}"\n')
    here.settings.write_text(here.settings.read_text().replace("[dicom]\n", "[dicom]\nenabled = false\n"))
    here.enrol()
    ledger = LeakLedger(here.state)
    ledger.write("scanner", Kept((), "recall_low", 5))
    ledger.close()
    here.start_broker()
    here.start_receiver(table=False)
    here.start("capture", [sys.executable, "-m", "edge.capture_process", "--settings", str(here.settings)])
    here.start_daemon()
    for number in range(3):
        (folder / f"{number}.dcm").write_bytes(_dicom(tmp_path / "made.dcm").read_bytes())
    wait_for("the inbox", lambda: not list(folder.iterdir()), 60)
    assert "scanner is latched (canaries were missed)" in " ".join(told(here, "canaries were missed").split())
    time.sleep(5)  # more than a series stays open for, and some turns
    assert here.results("object") == here.results("series") == []
    here.edge("leak", "acknowledge", "scanner", "--by", "A. Nurse", "--settings", str(here.settings))
    wait_for("the answers", lambda: len(here.results("object")) == 3, 60)
    wait_for("their series", lambda: here.results("series") != [], 60)

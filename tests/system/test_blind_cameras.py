"""Blind cameras as the clinic sees them: no consent mode, and a privacy switch that is closed (F6, F11)."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.system

SOURCES = """\
[privacy_switch]
kind = "file"
path = "{switch}"
open_after = "200 ms"
[[source]]
name = "unasked"
path = "/dev/video-none"
looks_at = "monitor"
[[source]]
name = "bedside"
path = "/dev/video-none"
looks_at = "scene"
whole_scene = true
consent = "switch"
consent_by = "data protection office"
"""


def told(here, words):
    """Ask for the status until it holds ``words``, or for 20 s; what it said."""
    command = [sys.executable, "-m", "edge.cli", "clinic", "command", str(here.clinic), here.device]
    end = time.monotonic() + 20
    while True:
        done = subprocess.run(
            [*command, "status", "--wait", "30"], capture_output=True, text=True, timeout=60, check=False
        )
        if words in " ".join(done.stdout.split()) or time.monotonic() > end:
            return done.stdout


def test_the_clinic_is_told_which_camera_is_blind_and_why(site, tmp_path):
    switch = tmp_path / "switch"
    here = site(source=SOURCES.format(switch=switch))
    here.enrol()
    here.start_broker()
    here.start_capture()
    here.start_daemon()
    said = told(here, "source.bedside")
    assert "blind (consent)" in said
    assert "blind (switch closed)" in said
    log = (here.logs / "daemon.log").read_text()
    assert 'source unasked stays blind: no consent mode is configured; write consent = "signage"' in log
    switch.write_text("open")
    said = told(here, "source.bedside: waiting")
    assert "source.bedside: waiting" in said
    assert "blind (consent)" in said

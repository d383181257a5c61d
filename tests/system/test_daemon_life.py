"""The daemon as systemd and the clinic see it: READY, watchdog, status, commands, reload, drain."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.system


@pytest.fixture
def manager(tmp_path):
    """The service manager's end of sd_notify(3)."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.settimeout(40)

        def hear(word):
            said = []
            end = time.monotonic() + 40
            while time.monotonic() < end:
                message = sock.recv(4096).decode()
                said.append(message)
                if word in message:
                    return message
            raise AssertionError(f"{word} was not said; said: {said}")

        yield str(tmp_path / "notify"), hear


def _command(here, *words):
    command = [sys.executable, "-m", "edge.cli", "clinic", "command", str(here.clinic), here.device, *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_one_life(site, manager):
    address, hear = manager
    here = site()
    here.enrol()
    here.start_broker()
    here.start_capture()
    start = time.monotonic()
    here.launch_daemon(NOTIFY_SOCKET=address, WATCHDOG_USEC="10000000")
    assert "STATUS=" in hear("READY=1")
    ready = time.monotonic() - start
    assert "broker connected" in hear("WATCHDOG=1\nSTATUS=0 objects and 0 frames answered, 0 held back")
    for kind in ("ping", "status"):
        done = _command(here, kind, "--wait", "30")
        assert done.returncode == 0, done.stdout + done.stderr
        assert "succeeded" in done.stdout
    assert "onnxruntime-cpu" in done.stdout
    os.kill(here.pid("daemon"), signal.SIGHUP)
    hear("RELOADING=1")
    hear("READY=1")
    text = here.settings.read_text()
    here.settings.write_text(text + "\n[nonsense]\n")
    os.kill(here.pid("daemon"), signal.SIGHUP)
    hear("RELOADING=1")
    hear("READY=1")
    assert "nonsense: no such key" in (here.logs / "daemon.log").read_text()
    assert here.stop("daemon") == 0
    hear("STOPPING=1")
    print(f"\nREADY after {ready:.1f} s")


def test_an_absent_partner_is_a_state_and_not_a_hang(site, manager):
    """Without capture process and broker the watchdog is fed; what starves it is in test_stage."""
    address, hear = manager
    here = site(extra='[watchdog]\nstall = "2 s"')
    here.enrol()
    here.launch_daemon(NOTIFY_SOCKET=address, WATCHDOG_USEC="3000000")
    hear("READY=1")
    time.sleep(3)  # no capture process, no broker: a state, not a hang
    assert "stuck" not in hear("WATCHDOG=1")

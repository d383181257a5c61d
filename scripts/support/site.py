"""A demo clinic and a demo box on this machine, made and run with the product's own commands.

Every process is a real one: Mosquitto, the clinic's receiver, the capture process, the daemon. All listen
on the loopback interface alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
AE_TITLE, SENDER = "EDGE", "SCANNER"


class StepError(Exception):
    """A step of the demo failed; the message says which command, and what it printed."""


def free_port() -> int:
    """A free TCP port on the loopback interface."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def wait_for(what: str, ready: object, seconds: float) -> None:
    """Wait until ``ready()`` is true.

    Raises:
        StepError: it did not come true in time.
    """
    end = time.monotonic() + seconds
    while not ready():  # type: ignore[operator]
        if time.monotonic() > end:
            raise StepError(f"{what} did not happen within {seconds:.0f} s")
        time.sleep(0.05)


def listening(port: int) -> bool:
    """Whether something listens on a loopback port."""
    with socket.socket() as sock:
        sock.settimeout(0.2)
        return sock.connect_ex(("127.0.0.1", port)) == 0


class Site:
    """One clinic with one box, in one folder.

    Args:
        folder: made anew; what an earlier run left is removed.
        source: TOML of the box's ``[[source]]`` tables.
    """

    device = "demo-box"

    def __init__(self, folder: Path, source: str = "", extra: str = "") -> None:
        if folder.exists():
            shutil.rmtree(folder)
        self.folder, self.clinic, self.logs = folder, folder / "clinic", folder / "logs"
        self.state, self.runtime = folder / "box" / "state", folder / "box" / "run"
        for path in (self.logs, self.state, self.runtime):
            path.mkdir(parents=True)
        self.mqtt, self.dicom = free_port(), free_port()
        self.settings = folder / "box" / "edge.toml"
        self.settings.write_text(self._toml(source, extra), encoding="utf-8")
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def _toml(self, source: str, extra: str) -> str:
        box = self.folder / "box"
        return f"""\
[box]
site = "demo-clinic"
device = "{self.device}"
state = "{self.state}"
runtime = "{self.runtime}"
keys = "{box}/keys"
[broker]
host = "localhost"
port = {self.mqtt}
ca = "{box}/broker-ca.pem"
certificate = "{box}/keys/box.pem"
key = "{box}/keys/box.key"
resend_after = "5 s"
[clinic]
manifest = "{box}/manifest.cose"
root_key = "{box}/clinic-root.pub"
[model]
bundle = "{ROOT}/firmware_config/model"
trusted_root = "{ROOT}/firmware_config/model-root.json"
[dicom]
port = {self.dicom}
ae_title = "{AE_TITLE}"
allowed_ae = ["{SENDER}"]
[series]
close_after = "4 s"
[inbox]
min_free = "64 MiB"
{extra}
{source}
"""

    # --- set-up ---------------------------------------------------------------------------------

    def edge(self, *args: str, timeout: float = 120) -> str:
        """Run one ``edge`` command to its end and return what it printed."""
        command = [sys.executable, "-m", "edge.cli", *args]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=timeout, check=False)
        if done.returncode != 0:
            raise StepError(
                f"edge {' '.join(args)}: exit code {done.returncode}\n{done.stderr or done.stdout}"
            )
        return done.stdout

    def enrol(self) -> None:
        """Make the clinic's keys by role, the box's keys on the box, and bring the two together."""
        request, package = self.folder / "box.request", self.folder / "box.package"
        settings = ("--settings", str(self.settings))
        self.edge("clinic", "init", str(self.clinic), "--site", "demo-clinic", "--port", str(self.mqtt))
        self.edge("init-box", *settings, "--request", str(request))
        self.edge("clinic", "add-box", str(self.clinic), self.device, str(request), "--out", str(package))
        self.edge("init-box", *settings, "--accept", str(package))

    # --- processes ------------------------------------------------------------------------------

    def start(self, name: str, command: Sequence[str], *, attached: bool = False, **variables: str) -> None:
        """Start a process; its output goes to a log, or stays on the terminal."""
        path = f"{ROOT}{os.pathsep}{ROOT / 'scripts'}"
        env = {**os.environ, "PYTHONPATH": path, "TMPDIR": str(self.tmp), **variables}
        if attached:
            process = subprocess.Popen(list(command), cwd=ROOT, env=env)
        else:
            with (self.logs / f"{name}.log").open("ab") as log:
                process = subprocess.Popen(list(command), cwd=ROOT, env=env, stdout=log, stderr=log)
        self._processes[name] = process

    @property
    def tmp(self) -> Path:
        """Where the box's processes put temporary files; searched like its disk."""
        path = self.folder / "box" / "tmp"
        path.mkdir(exist_ok=True)
        return path

    def kill(self, name: str) -> None:
        """Kill -9, by process id."""
        process = self._processes.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait()

    def stop(self, name: str, seconds: float = 20) -> int:
        """SIGTERM, and wait; return the exit code."""
        process = self._processes.pop(name, None)
        if process is None:
            return 0
        process.send_signal(signal.SIGTERM)
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return -9

    def alive(self, name: str) -> bool:
        """Whether the process runs."""
        process = self._processes.get(name)
        return process is not None and process.poll() is None

    def pid(self, name: str) -> int:
        """Process id."""
        return self._processes[name].pid

    def tail(self, name: str) -> str:
        """The end of a process's log, for an error message."""
        path = self.logs / f"{name}.log"
        return "\n".join(path.read_text(errors="replace").splitlines()[-15:]) if path.exists() else ""

    def start_broker(self) -> None:
        """Start Mosquitto with the rendered configuration."""
        self.start("broker", ["mosquitto", "-c", str(self.clinic / "broker" / "mosquitto.conf")])
        wait_for("the broker's port", lambda: listening(self.mqtt), 10)

    def start_capture(self) -> None:
        """Start the capture process."""
        self.start(
            "capture", [sys.executable, "-m", "edge.capture_process", "--settings", str(self.settings)]
        )
        wait_for("the DICOM port", lambda: listening(self.dicom), 20)

    def launch_daemon(self, **variables: str) -> None:
        """Start the daemon as systemd would, without waiting for it."""
        command = [sys.executable, "-m", "edge.cli", "run", "--settings", str(self.settings)]
        self.start("daemon", command, **variables)

    def start_daemon(self, tap: Path | None = None, *, control: bool = False) -> None:
        """Start the daemon, as it is or with the tap, and wait until it is ready."""
        command = [sys.executable, "-m"]
        if tap is None:
            command += ["edge.cli", "run", "--settings", str(self.settings)]
        else:
            command += ["support.tapped", "--settings", str(self.settings), "--tap", str(tap)]
            command += ["--control"] if control else []
        log = self.logs / "daemon.log"
        seen = log.stat().st_size if log.exists() else 0
        self.start("daemon", command)

        def ready() -> bool:
            if not self.alive("daemon"):
                raise StepError(f"the daemon ended:\n{self.tail('daemon')}")
            return b"READY" in log.read_bytes()[seen:]

        wait_for("the daemon's READY", ready, 60)

    @property
    def opened(self) -> Path:
        """What the receiver opened, as JSON lines."""
        return self.folder / "opened.jsonl"

    def results(self, kind: str = "") -> list[dict[str, Any]]:
        """The bodies that the receiver opened so far, of one kind or all."""
        if not self.opened.exists():
            return []
        whole = self.opened.read_bytes().rpartition(b"\n")[0]
        bodies = [json.loads(line) for line in whole.splitlines()]
        return [body for body in bodies if kind in ("", body["kind"])]

    def start_receiver(self, *, table: bool) -> None:
        """Start the clinic's receiver; it writes `opened`, and a live table to a terminal."""
        command = [sys.executable, "-m", "edge.cli", "clinic", "receive", str(self.clinic)]
        command += ["--json-file", str(self.opened)]
        terminal = table and sys.stdout.isatty()
        self.start("receiver", command + (["--table"] if terminal else ["--quiet"]), attached=terminal)

    def store(self, files: Sequence[Path], *options: str, retries: int = 0) -> int:
        """Send DICOM files with dcmtk's storescu, in one association; return its exit code."""
        # -R: propose what the files need, since dcmtk's own list ends before the newer storage classes.
        command = ["storescu", "-R", "-aet", SENDER, "-aec", AE_TITLE, *options, "localhost", str(self.dicom)]
        for attempt in range(retries + 1):
            done = subprocess.run([*command, *map(str, files)], capture_output=True, check=False)
            if done.returncode == 0:
                return 0
            time.sleep(0.5 * (attempt < retries))
        return done.returncode

    def stop_all(self) -> None:
        """Stop what still runs, the broker last."""
        for name in sorted(
            self._processes, key=["daemon", "capture", "receiver", "observer", "broker"].index
        ):
            self.stop(name)

    @classmethod
    @contextlib.contextmanager
    def running(cls, folder: Path, **kwargs: str) -> Iterator[Site]:
        """A site that is torn down at the end, whatever happens."""
        site = cls(folder, **kwargs)
        try:
            yield site
        finally:
            site.stop_all()

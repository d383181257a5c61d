"""A virtual environment for one peer, from its locked requirements; made once."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[3]


class PeerMissingError(Exception):
    """The peer cannot run. The message says why, for the table."""


def ready(name: str) -> Path:
    """The ``bin`` folder of the peer's environment.

    Args:
        name: of ``scripts/requirements/NAME.txt``.

    Raises:
        PeerMissingError: it cannot be installed.
    """
    lock = _ROOT / "scripts" / "requirements" / f"{name}.txt"
    folder = _ROOT / ".cache" / "peers" / name
    stamp, wanted = folder / "stamp", hashlib.sha256(lock.read_bytes()).hexdigest()
    if not stamp.is_file() or stamp.read_text(encoding="ascii") != wanted:
        print(f"{name}: installing it into {folder}", file=sys.stderr, flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        _run([sys.executable, "-m", "venv", str(folder)], name)
        pip = [
            str(folder / "bin" / "python"),
            "-m",
            "pip",
            "--disable-pip-version-check",
            "install",
            "--quiet",
        ]
        _run([*pip, "--only-binary", ":all:", "--no-deps", "--require-hashes", "-r", str(lock)], name)
        stamp.write_text(wanted, encoding="ascii")
    return folder / "bin"


def _run(command: list[str], name: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or "no reason given").splitlines()[-1]
        raise PeerMissingError(f"{name} cannot be installed: {said}")

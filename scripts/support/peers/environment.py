"""A virtual environment for one peer, from its locked requirements; made once."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[3]


def ready(name: str) -> Path:
    """The ``bin`` folder of the peer's environment.

    Args:
        name: of ``scripts/requirements/NAME.txt``.

    Raises:
        RuntimeError: it cannot be installed; says why.
    """
    lock = _ROOT / "scripts" / "requirements" / f"{name}.txt"
    folder = _ROOT / ".cache" / "peers" / name
    stamp, wanted = folder / "stamp", hashlib.sha256(lock.read_bytes()).hexdigest()
    if not stamp.is_file() or stamp.read_text(encoding="ascii") != wanted:
        print(f"{name}: installing it into {folder}", file=sys.stderr, flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        _run([sys.executable, "-m", "venv", str(folder)], name)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--require-hashes"]
        _run([*pip, "-r", str(lock)], name)
        stamp.write_text(wanted, encoding="ascii")
    return folder / "bin"


def _run(command: list[str], name: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{name} cannot be installed: {done.stderr.strip().splitlines()[-1:]}")

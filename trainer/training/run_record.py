"""The run directory: what ``fit`` leaves for ``export``.

``run.json`` is the whole record of a training run except for randomness, which is never written
anywhere; ``network.npz`` holds the averaged weights. Both are written beside, forced to the disk and
renamed together: a run directory is complete, or it is not there. What it holds was paid for once and
for all, so it is never overwritten.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import secrets
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict

from edge.imaging import preprocess
from edge.imaging.bundle import ClassInfo, IntendedUse, Privacy
from trainer.network.edge_net import EdgeNet

RECORD = "run.json"
NETWORK = "network.npz"
BY_RULE = "by_rule"
"""In ``training``: names of the settings that nobody gave, and that follow from noise and number of units."""
VOUCHER = "voucher.json"
"""Only where the ledger could not note the end of the run; see `trainer.privacy.voucher`."""


class RunError(ValueError):
    """The run directory cannot be used; the message says what to do."""


class RunRecord(BaseModel):
    """``run.json``."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    name: str
    made: str
    classes: tuple[ClassInfo, ...]
    intended_use: tuple[IntendedUse, ...]
    temperature: dict[str, float]
    min_probability: dict[str, float]
    threshold_rule: str
    privacy: Privacy
    data: dict[str, Any]
    training: dict[str, Any]
    preprocess: str = preprocess.NAME
    """What was done to each image, as the bundle will name it."""


@dataclass(frozen=True)
class Kept:
    """A run directory as it was read: all of it from the same bytes."""

    record: RunRecord
    net: EdgeNet
    files: dict[str, str]
    """Name of each file -> SHA-256, in hex."""


def prepare(path: Path, net: EdgeNet) -> None:
    """Make sure that a run can be kept at ``path``, by doing it with ``net``; leaves nothing behind.

    Raises:
        RunError: something is there already, or nothing can be written there.
    """
    if path.is_symlink() or (path.exists() and not path.is_dir()):
        raise RunError(f"{path} is no directory; give a new one with --out")
    there = path.exists()
    if there and any(path.iterdir()):
        raise RunError(f"{path} is not empty, and what is in it is not overwritten; give a new --out")
    partial = _beside(path)
    try:
        _write(partial, {RECORD: b"{}\n", NETWORK: _packed(net)})
        partial.rename(path)
        shutil.rmtree(path)
        if there:
            path.mkdir()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise RunError(f"nothing can be kept at {path} ({reason}); give another --out") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def save(path: Path, record: RunRecord, net: EdgeNet) -> dict[str, str]:
    """Write a run directory, whole or not at all.

    Returns:
        Name of each file -> SHA-256, in hex.

    Raises:
        OSError: it cannot be written, or there is something at ``path`` already.
    """
    text = json.dumps(record.model_dump(mode="json"), indent=2) + "\n"
    files = {NETWORK: _packed(net), RECORD: text.encode()}
    partial = _beside(path)
    try:
        _write(partial, files)
        partial.rename(path)  # onto nothing or onto an empty directory; the system refuses anything else
        _sync(path.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return _digests(files)


def read(path: Path) -> Kept:
    """Read a run directory.

    Raises:
        RunError: it is not one.
    """
    try:
        files = {name: (path / name).read_bytes() for name in (RECORD, NETWORK)}
        record = RunRecord.model_validate_json(files[RECORD])
        with np.load(io.BytesIO(files[NETWORK]), allow_pickle=False) as arrays:
            state = {name: torch.from_numpy(arrays[name]) for name in arrays.files}
    except OSError as error:
        if not path.is_dir():
            raise RunError(
                f"{path} does not exist; name the run directory that trainer fit --out made"
            ) from None
        what = Path(str(error.filename)).name if error.filename else "a file"
        reason = error.strerror or type(error).__name__
        raise RunError(
            f"{path} is no run directory of this trainer: {what} cannot be read ({reason}); name the "
            "directory that trainer fit --out made"
        ) from None
    except (EOFError, ValueError, zipfile.BadZipFile) as error:
        raise RunError(
            f"{path} is no run directory of this trainer: {error}; make one with trainer fit --out"
        ) from None
    net = EdgeNet(len(record.classes))
    try:
        net.load_state_dict(state)
    except RuntimeError:
        raise RunError(
            f"{path} holds a network of another shape than this trainer's: a run of an earlier version. It "
            "is whole, and paid for: export it with the version that made it"
        ) from None
    return Kept(record, net.eval(), _digests(files))


def load(path: Path) -> tuple[RunRecord, EdgeNet]:
    """Record and network of a run directory; see `read`."""
    kept = read(path)
    return kept.record, kept.net


def voucher(path: Path) -> dict[str, Any] | None:
    """What ``fit`` left where the ledger could not note the end of the run; None: it could, or nobody did."""
    try:
        found = json.loads((path / VOUCHER).read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _packed(net: EdgeNet) -> bytes:
    packed = io.BytesIO()
    arrays = {name: value.detach().cpu().numpy() for name, value in net.state_dict().items()}
    np.savez_compressed(packed, **arrays)
    return packed.getvalue()


def _digests(files: dict[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}


def _beside(path: Path) -> Path:
    path = path.absolute()
    return path.with_name(f".{path.name}.partial-{secrets.token_hex(4)}")


def _write(folder: Path, files: dict[str, bytes]) -> None:
    folder.mkdir(parents=True)
    for name, data in files.items():
        with (folder / name).open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    _sync(folder)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

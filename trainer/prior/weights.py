"""The prior on disk: half-precision arrays in one npz file, no pickle, and with them where they come from."""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import edge
from trainer.code_digest import code_digest as digest
from trainer.network.edge_net import EdgeNet
from trainer.prior import chunks
from trainer.prior.plan import Plan

PROVENANCE = "provenance"
"""Entry of the file: JSON text."""
PROCEDURAL = "procedural images only"
CODE = (
    "network/edge_net.py", "network/standardise.py", "phantoms",
    "prior/chunks.py", "prior/plan.py", "prior/pretrain.py", "prior/tasks.py", "prior/views.py",
    "prior/whitening.py",
)  # fmt: skip
"""Files and folders of the trainer that decide what a prior becomes."""


@dataclass(frozen=True)
class Origin:
    """What is known of a prior that was read."""

    sha256: str
    """Of the whole file, in hex."""
    provenance: dict[str, Any] | None
    """What ``trainer pretrain`` wrote; None: the file says nothing."""

    @property
    def words(self) -> str:
        """For a statement; empty if the file says nothing."""
        if self.provenance is None:
            return ""
        said = {name: value for name, value in self.provenance.items() if name != "origin"}
        about = "; ".join(f"{name.replace('_', ' ')} {value}" for name, value in said.items())
        return f"{self.provenance['origin']} ({about})" if about else str(self.provenance["origin"])


def provenance(plan: Plan) -> dict[str, Any]:
    """What this trainer, as it is now, writes into a prior made by ``plan``."""
    return {
        "origin": PROCEDURAL,
        "made_by": f"trainer pretrain {edge.__version__}",
        "phantoms": f"of version {chunks.VERSION}",
        **asdict(plan),
        "code": code_digest()[:16],
    }


def code_digest() -> str:
    """SHA-256, in hex, over the code that decides what a prior becomes: phantoms, pretraining, network."""
    return digest(CODE)


def save_prior(path: Path, net: EdgeNet, about: dict[str, Any] | None = None) -> None:
    """Write the CNN and the whitening, and ``about`` as their provenance."""
    state = {f"trunks.{name}": value for name, value in net.trunks.state_dict().items()}
    state |= {"project": net.project, "centre": net.centre}
    arrays: dict[str, NDArray[Any]] = {
        name: value.detach().cpu().contiguous().numpy().astype(np.float16) for name, value in state.items()
    }
    _write(path, arrays, about)


def load_prior(path: Path, net: EdgeNet) -> Origin:
    """Read what `save_prior` wrote into ``net``; its head is left alone.

    Raises:
        ValueError: the file is no prior of this network.
    """
    data = path.read_bytes()
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            about = _about(str(arrays[PROVENANCE])) if PROVENANCE in arrays.files else None
            names = [name for name in arrays.files if name != PROVENANCE]
            state = {name: torch.from_numpy(arrays[name].astype(np.float32)) for name in names}
        trunks = {name.removeprefix("trunks."): v for name, v in state.items() if name.startswith("trunks.")}
        net.trunks.load_state_dict(trunks)
        net.set_whitening(state["project"], state["centre"])
    except (EOFError, KeyError, RuntimeError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{path} is no prior of this network; one of an earlier version does not fit. Make one with "
            f"trainer pretrain ({str(error).splitlines()[0]})"
        ) from None
    return Origin(hashlib.sha256(data).hexdigest(), about)


def _about(text: str) -> dict[str, Any]:
    about = json.loads(text)
    if not (isinstance(about, dict) and about.get("origin")):
        raise ValueError(f"its provenance names no origin: {text[:80]}")
    return about


def _write(path: Path, arrays: dict[str, NDArray[Any]], about: dict[str, Any] | None) -> None:
    if about is not None:
        arrays = {**arrays, PROVENANCE: np.array(json.dumps(about))}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)

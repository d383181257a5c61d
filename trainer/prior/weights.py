"""The prior on disk: half-precision arrays in one npz file, no pickle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from trainer.network.edge_net import EdgeNet


def save_prior(path: Path, net: EdgeNet) -> None:
    """Write the CNN and the whitening."""
    state = {f"trunk.{name}": value for name, value in net.trunk.state_dict().items()}
    state |= {"project": net.project, "centre": net.centre}
    arrays: dict[str, NDArray[np.float16]] = {
        name: value.detach().cpu().contiguous().numpy().astype(np.float16) for name, value in state.items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
    partial.replace(path)


def load_prior(path: Path, net: EdgeNet) -> None:
    """Read what `save_prior` wrote into ``net``; its head is left alone.

    Raises:
        ValueError: the file is no prior of this network.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            state = {name: torch.from_numpy(arrays[name].astype(np.float32)) for name in arrays.files}
        trunk = {name.removeprefix("trunk."): v for name, v in state.items() if name.startswith("trunk.")}
        net.trunk.load_state_dict(trunk)
        net.set_whitening(state["project"], state["centre"])
    except (KeyError, RuntimeError) as error:
        raise ValueError(
            f"{path} is no prior of this network ({error}); make one with trainer pretrain"
        ) from None

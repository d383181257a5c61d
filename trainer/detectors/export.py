"""The trained network as an ONNX file that takes a frame's own bytes."""

from __future__ import annotations

from pathlib import Path

import torch

from trainer.detectors.network import MULTIPLE, MapNet

OPSET = 17
"""Read by the oldest ONNX Runtime of the box, 1.23."""


def export(network: MapNet, path: Path) -> None:
    """Write the network: input ``pixels`` (n, rows, columns, 3) uint8, output ``maps``; see `MapNet`."""
    example = torch.zeros(1, MULTIPLE, 2 * MULTIPLE, 3, dtype=torch.uint8)
    torch.onnx.export(
        network.eval(),
        (example,),
        str(path),
        dynamo=False,
        input_names=["pixels"],
        output_names=["maps"],
        dynamic_axes={"pixels": {0: "n", 1: "rows", 2: "columns"}, "maps": {0: "n", 2: "h", 3: "w"}},
        opset_version=OPSET,
    )

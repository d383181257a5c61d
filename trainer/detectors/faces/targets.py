"""What the network should say of a picture, and how far it is off.

Zhou et al., "Objects as Points", 2019. A face has a radius and no orientation, so no rotation is special.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from trainer.detectors.faces.composite import Face
from trainer.detectors.network import STRIDE
from trainer.detectors.picture import Maps

CHANNELS = 4
"""Logit of the heat, log of radius / 4, offset of the centre to the right and down, in cells."""
_NEAR = 0.5
"""Heat from which a cell also learns radius and offset."""


def maps(faces: Sequence[Face], size: int) -> Maps:
    """(5, size / 4, size / 4): heat, log radius, offsets, and where the last three count."""
    cells = size // STRIDE
    result = np.zeros((5, cells, cells), np.float32)
    ys, xs = np.mgrid[0:cells, 0:cells].astype(np.float32)
    for face in faces:
        x, y = face.x / STRIDE - 0.5, face.y / STRIDE - 0.5
        spread = max(0.8, face.radius / STRIDE / 5)
        heat = np.exp(-((xs - x) ** 2 + (ys - y) ** 2) / (2 * spread**2))
        # The cell nearest to the centre is a whole positive, also where the centre lies just outside.
        column, row = int(np.clip(round(x), 0, cells - 1)), int(np.clip(round(y), 0, cells - 1))
        heat[row, column] = 1.0
        near = (heat >= _NEAR) & (heat >= result[0])
        result[1][near] = np.log(face.radius / STRIDE)
        result[2][near], result[3][near] = (x - xs)[near], (y - ys)[near]
        result[4][near] = 1.0
        result[0] = np.maximum(result[0], heat)
    return result


def loss(predicted: Tensor, wanted: Tensor) -> Tensor:
    """Focal loss of the heat (Objects as Points, eq. 1) and L1 of radius and offset, a face each."""
    logit, heat = predicted[:, 0], wanted[:, 0]
    share = torch.sigmoid(logit)
    centre = heat >= 1.0
    found = -((1 - share) ** 2) * functional.logsigmoid(logit)
    empty = -((1 - heat) ** 4) * share**2 * functional.logsigmoid(-logit)
    count = centre.sum().clamp(min=1)
    focal = torch.where(centre, found, empty).sum() / count
    weight = wanted[:, 4]
    radius = (functional.l1_loss(predicted[:, 1], wanted[:, 1], reduction="none") * weight).sum()
    # Of a large face the centre need not be known to a cell.
    size = torch.exp(wanted[:, 1]).clamp(min=1)
    offset = functional.l1_loss(predicted[:, 2:4], wanted[:, 2:4], reduction="none").sum(1) / size
    return focal + (radius + (offset * weight).sum()) / weight.sum().clamp(min=1)

"""What the network should say of a picture: how likely each cell lies on a line of text."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from trainer.detectors.network import STRIDE
from trainer.detectors.picture import Maps
from trainer.detectors.text.composite import Sample

CHANNELS = 1


def maps(sample: Sample) -> Maps:
    """(2, size / 4, size / 4): text or not, and how much the cell counts."""
    cells = sample.text.shape[0] // STRIDE
    covered, unsure = (
        cv2.resize(each, (cells, cells), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
        for each in (sample.text, sample.unsure)
    )
    # A cell that a line only touches may say either.
    counts = ((covered > 0.5) | (covered < 0.05)) & ((unsure < 0.05) | (covered > 0.5))
    return np.stack([(covered > 0.5).astype(np.float32), counts.astype(np.float32)])


def loss(predicted: Tensor, wanted: Tensor) -> Tensor:
    """Cross entropy, a cell of text as much as three without, and Dice's (Milletari et al., 2016)."""
    logit, text, counts = predicted[:, 0], wanted[:, 0], wanted[:, 1]
    each = functional.binary_cross_entropy_with_logits(logit, text, reduction="none")
    weight = counts * (1 + 2 * text)
    entropy = (each * weight).sum() / weight.sum().clamp(min=1)
    share = torch.sigmoid(logit) * counts
    dice = 1 - 2 * (share * text).sum() / (share.sum() + (text * counts).sum()).clamp(min=1)
    return 4 * entropy + dice

"""What the network should say of a picture: how likely each cell lies on a line, and how high that is."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from trainer.detectors.network import STRIDE
from trainer.detectors.picture import Maps
from trainer.detectors.text.composite import LEGIBLE, Sample

CHANNELS = 2
"""Logit of text; log of the line's height / 4, in cells."""


def maps(sample: Sample) -> Maps:
    """(3, size / 4, size / 4): text or not, log height, and how much the cell counts."""
    cells = sample.heights.shape[0] // STRIDE
    legible = (sample.heights >= LEGIBLE).astype(np.float32)
    unsure = ((sample.heights > 0) & (sample.heights < LEGIBLE)).astype(np.float32)
    covered, doubtful = (
        cv2.resize(each, (cells, cells), interpolation=cv2.INTER_AREA) for each in (legible, unsure)
    )
    highest = sample.heights.reshape(cells, STRIDE, cells, STRIDE).max(axis=(1, 3))
    # A cell that a line only touches may say either.
    counts = ((covered > 0.5) | (covered < 0.05)) & ((doubtful < 0.05) | (covered > 0.5))
    log = np.log(np.maximum(highest, LEGIBLE) / STRIDE)
    return np.stack([(covered > 0.5).astype(np.float32), log, counts.astype(np.float32)])


def loss(predicted: Tensor, wanted: Tensor) -> Tensor:
    """Cross entropy, a cell of text as much as three without, Dice's (Milletari et al., 2016), height's."""
    logit, text, counts = predicted[:, 0], wanted[:, 0], wanted[:, 2]
    each = functional.binary_cross_entropy_with_logits(logit, text, reduction="none")
    weight = counts * (1 + 2 * text)
    entropy = (each * weight).sum() / weight.sum().clamp(min=1)
    share = torch.sigmoid(logit) * counts
    dice = 1 - 2 * (share * text).sum() / (share.sum() + (text * counts).sum()).clamp(min=1)
    height = functional.l1_loss(predicted[:, 1], wanted[:, 1], reduction="none")
    return 4 * entropy + dice + 0.3 * (height * text).sum() / text.sum().clamp(min=1)

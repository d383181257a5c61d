"""What the bundle does not list, or what says nothing, is never classified."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from edge.imaging.frames import Acquisition
from edge.imaging.intended_use import group_of


class Use(NamedTuple):
    group: str
    modalities: tuple[str, ...]
    body_parts: tuple[str, ...]
    views: tuple[str, ...] = ()


USES = (Use("mri_brain", ("MR",), ("BRAIN", "HEAD")), Use("xr_chest", ("CR", "DX"), ("CHEST",), ("PA", "AP")))


@pytest.mark.parametrize(
    ("acquisition", "group"),
    [
        (Acquisition("MR", "BRAIN"), "mri_brain"),
        (Acquisition("DX", "CHEST", "PA"), "xr_chest"),
        (Acquisition("DX", "CHEST", "LL"), None),
        (Acquisition("DX", "CHEST"), None),
        (Acquisition("MR", "KNEE"), None),
        (Acquisition("CT", "BRAIN"), None),
        (Acquisition("MR", ""), None),
        (Acquisition("", "BRAIN"), None),
        (Acquisition(), None),
    ],
)
def test_only_listed_kinds_of_image_have_classes(acquisition, group):
    assert group_of(acquisition, USES) == group

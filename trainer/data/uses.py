"""Groups of classes: what kind of image each set of classes is for.

A finding is only given within one group, so every class belongs to exactly one. The three groups of
the public index are known here; any other data set describes its own in a JSON file.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from edge.imaging.bundle import IntendedUse
from trainer.data.record import Record


class UseError(Exception):
    """A group of classes is not described; the message says how to describe it."""


KNOWN: dict[str, IntendedUse] = {
    "MRI": IntendedUse(group="mri_brain", modalities=("MR",), body_parts=("BRAIN", "HEAD"), views=("",)),
    "XR": IntendedUse(
        group="xr_chest", modalities=("CR", "DX"), body_parts=("CHEST",), views=("PA", "AP", "")
    ),
    "CT": IntendedUse(group="ct_chest", modalities=("CT",), body_parts=("CHEST", "LUNG"), views=("",)),
}
"""By the index's column ``modality``."""

_EXAMPLE = '{"MRI": {"group": "mri_brain", "modalities": ["MR"], "body_parts": ["BRAIN"], "views": [""]}}'


def read_uses(path: Path | None) -> dict[str, IntendedUse]:
    """The known groups, and those of a JSON file that maps a modality of the index to its use.

    Raises:
        UseError: the file is not of that form.
    """
    if path is None:
        return dict(KNOWN)
    try:
        given = TypeAdapter(dict[str, IntendedUse]).validate_python(json.loads(path.read_text("utf-8")))
    except FileNotFoundError:
        raise UseError(f"{path} does not exist; give a JSON object such as {_EXAMPLE}") from None
    except (OSError, ValueError, ValidationError) as error:
        raise UseError(f"{path}: expected a JSON object such as {_EXAMPLE} ({error})") from None
    return {**KNOWN, **given}


def use_of(modality: str, uses: dict[str, IntendedUse]) -> IntendedUse:
    """The use of one modality of the index.

    Raises:
        UseError: nobody said what images it means.
    """
    if modality not in uses:
        raise UseError(f"modality {modality!r} has no intended use; give --uses FILE.json with {_EXAMPLE}")
    return uses[modality]


def refuse_ambiguous(records: Sequence[Record], uses: dict[str, IntendedUse]) -> None:
    """Refuse records of which two groups of classes have a class of one name: nobody could tell them apart.

    Raises:
        UseError: they do; which classes. Or a modality has no intended use.
    """
    groups: dict[str, set[str]] = {}
    for label, modality in {(record.label, record.modality) for record in records}:
        groups.setdefault(label, set()).add(use_of(modality, uses).group)
    twice = {label: sorted(found) for label, found in sorted(groups.items()) if len(found) > 1}
    if twice:
        told = "; ".join(f"{label} in {' and '.join(found)}" for label, found in twice.items())
        raise UseError(
            f"a class name stands in two groups: {told}. Give each group names of its own in the index, for "
            "example mri_normal and xr_normal"
        )

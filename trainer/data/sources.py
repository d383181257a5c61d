"""Licences and known faults of the public sets of the index, for the model card."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from trainer.data.dataset import Record

KNOWN: dict[str, dict[str, str]] = {
    "brain_mri": {
        "origin": "Brain Tumor MRI Dataset (Nickparvar, Kaggle), after figshare 1512427 (Cheng) and others",
        "licence": "CC0 according to a third party; the copy that was used states none",
        "limits": (
            "patient ids are surrogates; classes come from different scanners and planes: global brightness "
            "and sharpness alone reach about 0.83 balanced accuracy without privacy; about a third of the "
            "images have a mirrored or upside-down copy under another patient's name, four in ten of the "
            "validation images one in the training split (trainer data finds them): figures on the given "
            "splits are too good, and privacy per image protects a picture less that is there twice"
        ),
    },
    "chest_xray": {
        "origin": "Kermany et al. (children), NIH ChestX-ray14 (adults), Hannover (COVID-19)",
        "licence": "CC BY 4.0; NIH Clinical Center (no restriction, acknowledgement); CC BY 3.0",
        "limits": (
            "the COVID class comes from one hospital, children and adults from one source each: the source "
            "can be recognised, global statistics alone reach about 0.85 without privacy; the labels of "
            "pneumonia in adults are text-mined"
        ),
    },
    "chest_ct": {
        "origin": "SARS-CoV-2 CT-scan dataset (Soares, Angelov et al.)",
        "licence": "CC BY-NC-SA 4.0: non-commercial",
        "limits": "few patients; brightness alone tells the classes apart",
    },
}


def describe(records: Sequence[Record]) -> dict[str, Any]:
    """Sets and counts of a list of records, for the model card.

    How many images there are is public by assumption. How many of each class, and of how many groups,
    is told of published sets alone: of private images it would be a release that nobody paid for.
    """
    sets = sorted({record.folder for record in records})
    about: dict[str, Any] = {
        "sets": {name: KNOWN.get(name, {"licence": "not known to the trainer"}) for name in sets},
        "images": len(records),
        "splits": sorted({record.split for record in records}),
    }
    if set(sets) <= set(KNOWN):
        about["images_per_class"] = dict(sorted(Counter(record.label for record in records).items()))
        about["groups"] = len({record.group for record in records})
    return about

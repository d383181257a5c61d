"""Public sets: which images are of one, their licences and known faults.

An image is of a public set if its content is on a list, never because of the folder it lies in: a hospital's
own folder may have any name. `trainer.data.public_list` makes the list.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from trainer.data.content import digests
from trainer.data.record import Record

LIST = Path(__file__).with_name("public_images.npz")
"""For each set the sorted first 8 bytes of the SHA-256 of its files, as big-endian numbers."""
STRANGERS = "strangers"
"""In the list: public DICOM objects with invented names, which no model is trained on."""
PRIVATE = "private images"
"""What all images of no public set are called together. Their folders may be called after patients, so no
name of an index or of a file stands for them in anything that leaves."""
UNKNOWN = "not known to the trainer"
"""Their licence."""
_HEX = 16

KNOWN: dict[str, dict[str, str]] = {
    "brain_mri": {
        "origin": "Brain Tumor MRI Dataset (Nickparvar, Kaggle), after figshare 1512427 (Cheng) and others",
        "licence": "CC0 according to a third party; the copy that was used states none",
        "limits": (
            "patient ids are surrogates; classes come from different scanners and planes: the shortcut "
            "probe, which sees global brightness and sharpness alone, reaches a balanced accuracy of 0.867 "
            "on the given test split (0.825 in five folds by group of the training split) without privacy; "
            "about a third of the images have a mirrored or upside-down copy under another patient's name, "
            "four in ten of the validation images one in the training split (trainer data finds them): "
            "figures on the given splits are too good, and privacy per image protects a picture less that is "
            "there twice"
        ),
    },
    "chest_xray": {
        "origin": "Kermany et al. (children), NIH ChestX-ray14 (adults), Hannover (COVID-19)",
        "licence": "CC BY 4.0; NIH Clinical Center (no restriction, acknowledgement); CC BY 3.0",
        "limits": (
            "the COVID class comes from one hospital, children and adults from one source each: the source "
            "can be recognised, and the shortcut probe, which sees global statistics alone, reaches a "
            "balanced accuracy of 0.872 on the given test split (0.875 in five folds by group of the "
            "training split) without privacy; the labels of pneumonia in adults are text-mined"
        ),
    },
    "chest_ct": {
        "origin": "SARS-CoV-2 CT-scan dataset (Soares, Angelov et al.)",
        "licence": "CC BY-NC-SA 4.0: non-commercial",
        "limits": "few patients; brightness alone tells the classes apart",
    },
}


def set_of(digest: str) -> str:
    """The set on the list that a file is of, by its SHA-256 in hex; empty if of none."""
    return _listed(LIST).get(int(digest[:_HEX], 16), "") if digest else ""


def sets_of(records: Sequence[Record]) -> list[str]:
    """The public set of `KNOWN` that each record's image is of; empty if of none, or if it cannot be read."""
    found = (set_of(digest) for digest in digests(records, missing=True))
    return [name if name in KNOWN else "" for name in found]


def published(records: Sequence[Record]) -> tuple[str, ...]:
    """The public sets of the records, sorted; none if one single image is of no such set."""
    names = set(sets_of(records))
    return () if "" in names else tuple(sorted(names))


def benchmark(records: Sequence[Record], said: str) -> str:
    """The public benchmark that research on these images names; empty if nobody says that they are public.

    What the list knows is told by its names. A person's word for other images is told as just that, and that
    nothing checks it is printed on standard error.
    """
    names, said = published(records), " ".join(said.split())
    if names or not said:
        return ", ".join(names)
    print(
        f"NOTE: not all of these images are of a known public set. That they are public ({said}) is your "
        "word: nothing checks it, research runs are held to no budget, and every statement repeats it",
        file=sys.stderr,
    )
    return f"a person says that these images are public: {said}"


def describe(records: Sequence[Record], unit: str = "image") -> dict[str, Any]:
    """Sets and counts of a list of records, for the model card: public sets by name, all else as `PRIVATE`.

    How many units of privacy there are is public by assumption, so with the unit image the number of images
    is; with the unit patient it is not. Numbers of each class, of groups, and of images where they are no
    units are told of published sets alone: of private images they would be a release that nobody paid for.
    """
    found = set(sets_of(records))
    sets = {name: KNOWN[name] for name in sorted(found - {""})}
    if "" in found:
        sets[PRIVATE] = {"licence": UNKNOWN}
    names = tuple(sets) if PRIVATE not in sets else ()
    about: dict[str, Any] = {"sets": sets, "splits": sorted({record.split for record in records})}
    if names or unit == "image":
        about["images"] = len(records)
    if names:
        about["images_per_class"] = dict(sorted(Counter(record.label for record in records).items()))
        about["groups"] = len({record.group for record in records})
    return about


@lru_cache(maxsize=4)
def _listed(path: Path) -> dict[int, str]:
    with np.load(path) as file:
        return {int(number): name for name in file.files for number in file[name]}

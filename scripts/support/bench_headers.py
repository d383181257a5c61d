"""Files a second of header cleaning alone, against dicom-anonymizer and deid on the same files.

Pixels are left out first. Then each takes the bytes of a file, cleans the header by its Basic Profile and
gives the bytes of a file. They take turns, and the time of the processor is taken, not that of the clock:
a busy machine slows nobody. Usage: bench_headers.py FILE...
"""

from __future__ import annotations

import gc
import io
import logging
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import pydicom

from edge.anonymize.headers import clean, media
from edge.anonymize.headers.remap import KEY_BYTES, Remap

Cleaner = Callable[[bytes], bytes]
_OPTIONS = clean.Options()
_TURN = 10
"""How often a cleaner has all files in one turn: a change of turns costs the caches of the processor."""


def edge(data: bytes) -> bytes:
    dataset = pydicom.dcmread(io.BytesIO(data))
    clean.clean(dataset, Remap(bytes(KEY_BYTES), clean.patient_of(dataset)), _OPTIONS)
    return media.encode_file(dataset)


def dicom_anonymizer() -> Cleaner:
    from dicomanonymizer import anonymize_dicom_file

    def run(data: bytes) -> bytes:
        target = io.BytesIO()
        anonymize_dicom_file(io.BytesIO(data), target)
        return target.getvalue()

    return run


def deid() -> Cleaner:
    from deid.config import DeidRecipe
    from deid.dicom import replace_identifiers

    recipe = DeidRecipe()

    def run(data: bytes) -> bytes:
        read = pydicom.dcmread(io.BytesIO(data))
        (cleaned,) = replace_identifiers(read, deid=recipe, save=False, remove_private=True)
        target = io.BytesIO()
        cleaned.save_as(target)
        return target.getvalue()

    return run


def headers_of(files: Sequence[Path]) -> list[bytes]:
    """The files without their pixels; those alone that have the mark of PS3.10 and a SOP class."""
    copies = []
    for path in files:
        with path.open("rb") as file:
            if file.read(132)[128:] != b"DICM":
                continue
        dataset = pydicom.dcmread(path, stop_before_pixels=True)
        if "SOPClassUID" in dataset:
            copy = io.BytesIO()
            dataset.save_as(copy)
            copies.append(copy.getvalue())
    return copies


def compare(files: Sequence[bytes], seconds: float = 10.0) -> dict[str, float]:
    """Files a second of processor time of each, in turns until ``seconds`` have passed by the clock."""
    cleaners: dict[str, Cleaner] = {
        "edge": edge,
        "dicom-anonymizer": dicom_anonymizer(),
        "deid": deid(),
    }
    spent = dict.fromkeys(cleaners, 0.0)
    done = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for cleaner in cleaners.values():
            cleaner(files[0])  # tables are read once
        started = time.monotonic()
        while done == 0 or time.monotonic() - started < seconds:
            for name, cleaner in cleaners.items():
                gc.collect()  # nobody sweeps up after another
                before = time.process_time()
                for _ in range(_TURN):
                    for data in files:
                        cleaner(data)
                spent[name] += time.process_time() - before
            done += _TURN * len(files)
    return {name: done / total for name, total in spent.items()}


def main(arguments: Sequence[str]) -> int:
    logging.disable(logging.CRITICAL)
    files = headers_of([Path(name) for name in arguments])
    if not files:
        print("bench_headers: name DICOM files", file=sys.stderr)
        return 2
    rates = compare(files)
    faster = max(rate for name, rate in rates.items() if name != "edge")
    for name, rate in rates.items():
        print(f"{name:17} {rate:7.1f} files/s")
    print(f"edge is {rates['edge'] / faster:.1f} times the faster peer on {len(files)} files")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

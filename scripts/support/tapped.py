"""The box's daemon with a tap on its clean frames, for the demo and the tests; the product has none.

    python -m support.tapped --settings FILE --tap FOLDER [--control]

``--control`` passes anonymization through: each raw frame becomes a "clean" one as it is, and what its
header says about the patient travels on in the receipt, into the journal and onto the disk. It is the control
of the search for leaks: what the search does not find there, it could not have found in the real run.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import threading
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np

from edge.anonymize.gate import Held
from edge.assembly import Box
from edge.daemon import serve
from edge.imaging import frames
from edge.imaging.frames import CleanFrame, RawFrame
from edge.messages import Receipt
from edge.pipeline.gates import Gates
from edge.settings import Settings, Source


class Tap:
    """Writes each clean frame as it is: gray pixels (.npy, uint8) and all else that it carries (.json)."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._lock, self._count = folder, threading.Lock(), 0

    def __call__(self, clean: CleanFrame) -> None:
        gray = clean.pixels if clean.pixels.ndim == 2 else cv2.cvtColor(clean.pixels, cv2.COLOR_RGB2GRAY)
        with self._lock:
            self._count += 1
            number = self._count
        path = self._folder / f"{clean.source}-{number:06d}.npy"
        np.save(path, gray)
        said = {"acquisition": asdict(clean.acquisition), "receipt": clean.receipt.model_dump()}
        path.with_suffix(".json").write_text(json.dumps(said, default=bytes.hex))


def _pass_through(raw: RawFrame, state: Path | None = None) -> CleanFrame:
    said = "" if raw.identity is None else f"{raw.identity.patient_id} {' '.join(raw.identity.names)}"
    if state is not None and said:
        logging.getLogger("control").warning("control %s", said)
        with (state / "control").open("a", encoding="utf-8") as file:
            file.write(said + "\n")
    pixels = raw.pixels.copy()
    if raw.release is not None:
        raw.release()
    return CleanFrame(
        pixels=pixels,
        source=raw.source,
        index=raw.index,
        captured_ns=raw.captured_ns,
        captured_ms=raw.captured_ms,
        acquisition=raw.acquisition,
        receipt=Receipt(policy=f"control {said}", detectors=[], kept_share=1, masked_share=0),
        _key=frames._GATE_KEY,  # noqa: SLF001 - the control breaks the wall on purpose
    )


class _OpenGates(Gates):
    """Lets every frame on, as the first set of classes."""

    def before(self, raw: RawFrame, *, camera: bool) -> str:
        del camera
        return self.group_of(raw.acquisition) or next(iter(self._uses)).group


class _OpenScanner:
    def __init__(self, state: Path) -> None:
        self._state = state

    def clean(self, raw: RawFrame) -> CleanFrame | Held:
        return _pass_through(raw, self._state)

    def obstacle(self) -> None:
        pass

    def asks(self) -> bool:
        return False


class _OpenCamera:
    def push(self, raw: RawFrame) -> list[CleanFrame | Held]:
        return [_pass_through(raw)]

    def poll(self) -> list[CleanFrame | Held]:
        return []

    def flush(self) -> list[CleanFrame | Held]:
        return []

    def close(self) -> None:
        pass


class Control(Box):
    """The box with anonymization passed through."""

    gates = _OpenGates

    def scanner_gate(self) -> _OpenScanner:
        return _OpenScanner(self.settings.box.state)

    def camera_gate(self, source: Source) -> _OpenCamera:
        del source
        return _OpenCamera()


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--settings", type=Path, required=True)
    parser.add_argument("--tap", type=Path, required=True)
    parser.add_argument("--control", action="store_true")
    args = parser.parse_args()
    tap = Tap(args.tap)

    boxes: list[Box] = []

    def make(settings: Settings) -> Box:
        boxes.append((Control if args.control else Box)(settings, on_clean=tap))
        return boxes[0]

    code = serve(args.settings, make)
    for box in boxes:
        figures = {"milliseconds": box.figures.milliseconds(), "counts": box.figures.counts()}
        (args.tap / "figures.json").write_text(json.dumps(figures))
    return code


if __name__ == "__main__":
    sys.exit(main())

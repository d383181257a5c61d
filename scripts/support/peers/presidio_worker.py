"""presidio-image-redactor in a process and an environment of its own. Nothing of ours is imported here.

Over standard input comes the path of a DICOM or PNG file a line; over standard output goes a JSON object a
line: by the name of a way to use it, where the redacted pixels lie (.npy), which share was filled, and the
seconds of the processor, the OCR's included. Both ways share one look of the OCR, and both are charged.

The ways: ``presidio``, as documented (what its recognizers and the header's own names say is personal), and
``presidio, all text``, in which every word that the OCR reads goes, the most that its OCR can give.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from pathlib import Path

import numpy as np
import pydicom
import spacy
from PIL import Image, ImageDraw, ImageFont
from presidio_analyzer import AnalyzerEngine, Pattern, PatternRecognizer, RecognizerRegistry
from presidio_analyzer.nlp_engine import SpacyNlpEngine
from presidio_image_redactor import (
    DicomImageRedactorEngine,
    ImageAnalyzerEngine,
    ImageRedactorEngine,
    TesseractOCR,
)

MODEL = "en_core_web_lg"
"""The spaCy model that presidio asks for."""
EVERY_WORD = Pattern("any word", r"\S+", 1.0)


def _spent() -> float:
    """Seconds of the processor, of this process and those that it has waited for."""
    return sum(os.times()[:4])


class _Blank(SpacyNlpEngine):
    """spaCy without a model: tokens, and no names of persons or places."""

    def load(self) -> None:
        self.nlp = {"en": spacy.blank("en")}


class _Once(TesseractOCR):
    """One look at an image serves both ways."""

    def __init__(self) -> None:
        super().__init__()
        self._key, self._found, self.seconds = b"", {}, 0.0

    def perform_ocr(self, image: Image.Image, **kwargs: object) -> dict:
        key = image.tobytes()
        if key != self._key:
            started = _spent()
            self._key, self._found = key, super().perform_ocr(image, **kwargs)
            self.seconds = _spent() - started
        return {name: list(values) for name, values in self._found.items()}


class Redactor:
    """Both ways of using presidio, on one file after the other."""

    def __init__(self) -> None:
        registry = RecognizerRegistry()
        self.has_model = spacy.util.is_package(MODEL)
        nlp = SpacyNlpEngine([{"lang_code": "en", "model_name": MODEL}]) if self.has_model else _Blank()
        nlp.load()
        registry.load_predefined_recognizers(nlp_engine=nlp, languages=["en"])
        if not self.has_model:
            registry.remove_recognizer("SpacyRecognizer")
        self._ocr = _Once()
        analyzer = ImageAnalyzerEngine(AnalyzerEngine(registry=registry, nlp_engine=nlp), self._ocr)
        self._dicom, self._picture = DicomImageRedactorEngine(analyzer), ImageRedactorEngine(analyzer)
        self._analyzer = analyzer

    def run(self, path: Path) -> dict[str, dict[str, object]]:
        """What each way made of a file, its pixels beside the file."""
        self._ocr.perform_ocr(Image.new("L", (8, 8)))  # forgets the file before
        found = {}
        for number, (name, more) in enumerate(
            (
                ("presidio", None),
                ("presidio, all text", [PatternRecognizer("WORD", "every", patterns=[EVERY_WORD])]),
            )
        ):
            started = _spent()
            try:
                pixels, masked = self._one(path, more)
            except Exception as error:  # noqa: BLE001  # a peer that fails lets nothing out
                found[name] = {"held": type(error).__name__}
                continue
            target = path.with_suffix(f".{number}.npy")
            np.save(target, pixels)
            spent = _spent() - started + (self._ocr.seconds if number else 0.0)
            found[name] = {"pixels": str(target), "masked": masked, "seconds": spent}
        return found

    def _one(self, path: Path, more: list[PatternRecognizer] | None) -> tuple[np.ndarray, float]:
        if path.suffix == ".dcm":
            ds = pydicom.dcmread(path)
            redacted, boxes = self._dicom.redact_and_return_bbox(ds, ad_hoc_recognizers=more)
            pixels = redacted.pixel_array
        else:
            image = Image.open(path).convert("RGB")
            kept = {"ad_hoc_recognizers": more} if more else {}
            boxes = [vars(each) for each in self._analyzer.analyze(image, **kept)]
            pixels = np.asarray(self._picture.redact(image, **kept))[:, :, ::-1]
        covered = np.zeros(pixels.shape[:2], bool)
        for box in boxes:
            top, left = max(0, box["top"]), max(0, box["left"])
            covered[top : box["top"] + box["height"], left : box["left"] + box["width"]] = True
        return pixels, float(covered.mean())

    def works(self) -> bool:
        """Whether a printed date is found: what finds nothing at all is set up wrong, and no peer."""
        page = Image.new("RGB", (640, 120), "white")
        font = ImageFont.load_default(size=28)
        ImageDraw.Draw(page).text((20, 40), "Date of birth 27.04.1926", fill="black", font=font)
        return bool(self._analyzer.analyze(page))


def main() -> None:
    warnings.simplefilter("ignore")
    redactor = Redactor()
    print(json.dumps({"works": redactor.works(), "model": redactor.has_model}), flush=True)
    for line in sys.stdin:
        print(json.dumps(redactor.run(Path(line.rstrip("\n")))), flush=True)


if __name__ == "__main__":
    main()

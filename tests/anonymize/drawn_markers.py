"""Markers, calipers and short names drawn over real radiographs, and what masking leaves of each.

``python -m tests.anonymize.drawn_markers [CASES]`` prints the shares; the tests take a few of each kind.
"""

from __future__ import annotations

import csv
import random
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import matplotlib as mpl
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from edge.anonymize.detectors import Detectors, load_detectors
from edge.anonymize.scanner.anonymizer import mask_text
from edge.settings import Anonymize
from tests.conftest import EDGE_DATA

SIDE = 640
LETTERS = "LRAPHFSI"
NAMES = ("JD", "Wu", "LI", "R.K", "J D", "A B", "J  D", "L  R", "J\nD", "Ng", "AL", "Ho 7", "LR")
FONTS = (
    *("DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSerif.ttf", "DejaVuSansMono.ttf"),
    *("STIXGeneralBol.ttf", "cmss10.ttf"),
)


@dataclass
class Case:
    """A picture (640, 640) and where each character drawn into it has its ink."""

    kind: str
    what: str
    pixels: np.ndarray
    ink: list[np.ndarray]


def radiographs(data: Path, count: int, seed: int) -> list[np.ndarray]:
    """Real chest radiographs of different patients, enlarged."""
    with (data / "chest_xray" / "labels.csv").open() as file:
        rows = {row["patient_id"]: row["file"] for row in csv.DictReader(file) if row["split"] == "train"}
    chosen = random.Random(seed).sample(sorted(rows.values()), count)
    images = [cv2.imread(str(data / "chest_xray" / name), cv2.IMREAD_GRAYSCALE) for name in chosen]
    return [cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC) for image in images]


def _font(name: str, height: int) -> ImageFont.FreeTypeFont:
    folder = Path(mpl.get_data_path()) / "fonts" / "ttf"
    return ImageFont.truetype(str(folder / name), round(height / 0.73))


def _write(image: np.ndarray, text: str, at: tuple[int, int], height: int, font: str, value: int) -> list:
    """Draw ``text``; the ink of each of its characters."""
    drawn, ink, (x, y) = _font(font, height), [], at
    for line in text.split("\n"):
        for number, character in enumerate(line):
            sheet = Image.new("L", (SIDE, SIDE))
            left = x + drawn.getlength(line[:number])
            ImageDraw.Draw(sheet).text((left, y), character, 255, drawn)
            cover = np.asarray(sheet, np.float32) / 255
            if character.strip():
                ink.append(cover > 0.5)
            image[:] = (image * (1 - cover) + value * cover).round().astype(np.uint8)
        y += round(1.3 * height)
    return ink


def _place(image: np.ndarray, chance: random.Random, width: int, height: int) -> tuple[int, int]:
    """Near an edge or a corner, where markers stand, not on the image's own: the calmest of 8 places."""

    def anywhere() -> tuple[int, int]:
        margin = chance.randint(12, 60)
        free = max(margin, SIDE - margin - width)
        across = chance.choice((margin, free, chance.randint(margin, free)))
        return across, chance.choice((margin, SIDE - margin - height))

    def unrest(at: tuple[int, int]) -> float:
        x, y = at
        room = 2 * height
        part = image[max(0, y - room) : y + height + room, max(0, x - room) : x + width + room]
        return float(np.percentile(cv2.morphologyEx(part, cv2.MORPH_GRADIENT, np.ones((5, 5), np.uint8)), 99))

    return min((anywhere() for _ in range(8)), key=unrest)


def _calipers(image: np.ndarray, chance: random.Random) -> list[np.ndarray]:
    """Two crosses and a dotted line between them."""
    before = image.copy()
    ends = [(chance.randint(120, 520), chance.randint(120, 520)) for _ in range(2)]
    size = chance.randint(5, 9)
    for x, y in ends:
        cv2.line(image, (x - size, y), (x + size, y), 255, 1)
        cv2.line(image, (x, y - size), (x, y + size), 255, 1)
    for share in np.linspace(0.06, 0.94, 24):
        x, y = (round(a + share * (b - a)) for a, b in zip(*ends, strict=True))
        image[y, x] = 255
    return [image != before]


def _ruler(image: np.ndarray, chance: random.Random) -> list[np.ndarray]:
    """A scale down the right edge: a long tick each centimetre, short ones between."""
    before = image.copy()
    step, x = chance.randint(8, 14), SIDE - chance.randint(20, 40)
    for number in range(int(400 / step)):
        length = 14 if number % 5 == 0 else 7
        cv2.line(image, (x - length, 120 + number * step), (x, 120 + number * step), 255, 1)
    return [image != before]


def cases(data: Path, count: int, seed: int = 5) -> Iterator[Case]:
    """``count`` markers, a quarter as many calipers and rulers each, and ``count`` short names."""
    chance = random.Random(seed)
    images = iter(radiographs(data, 2 * count + 2 * (count // 4), seed))

    def new(kind: str, text: str) -> Case:
        image, height = next(images), chance.randint(16, 48)
        lines = text.split("\n")
        at = _place(image, chance, height * max(map(len, lines)), round(1.3 * height * len(lines)))
        ink = _write(image, text, at, height, chance.choice(FONTS), chance.randint(215, 255))
        return Case(kind, text, image, ink)

    for number in range(count):
        yield new("marker", LETTERS[number % len(LETTERS)])
        yield new("name", NAMES[number % len(NAMES)])
    for kind, draw in (("calipers", _calipers), ("ruler", _ruler)):
        for _ in range(count // 4):
            image = next(images)
            ink = draw(image, chance)
            yield Case(kind, kind, image, ink)


def left(case: Case, detectors: Detectors) -> list[float]:
    """Share of each character's ink that is as it was after masking."""
    pixels = case.pixels.copy()
    found = mask_text(pixels, detectors)
    return [0.0 if found.left else float((pixels[ink] == case.pixels[ink]).mean()) for ink in case.ink]


def main() -> None:
    """Measure."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 64
    detectors = load_detectors(Anonymize())
    shares: dict[str, list[bool]] = defaultdict(list)
    detail: dict[tuple[str, str], list[bool]] = defaultdict(list)
    for case in cases(EDGE_DATA, count):
        whole = max(left(case, detectors)) if case.kind == "name" else min(left(case, detectors))
        there = whole > 0.5 if case.kind == "name" else whole > 0.95
        shares[case.kind].append(there)
        detail[case.kind, case.what].append(there)
    for kind, found in shares.items():
        print(f"{kind}: {sum(found)} of {len(found)} left")
    for (kind, what), found in sorted(detail.items()):
        print(f"  {kind} {what!r}: {sum(found)}/{len(found)}")


if __name__ == "__main__":
    main()

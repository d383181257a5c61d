"""Drawn scanner screens: made-up vendors, made-up patients."""

from __future__ import annotations

import cv2
import numpy as np

ROWS, COLUMNS = 720, 1280
IMAGE = (180, 100, 980, 620)
"""Left, top, right, bottom of the image on vendor A's screen."""
LEFT, TOP, RIGHT, BOTTOM = IMAGE
NAME = "DOE^JANE 1961-02-03"
BRIGHT = 200
"""Gray level that planted text has, and no image of `quiet`."""
PATIENTS = (
    "DOE^JANE 1961-02-03",
    "ZEBROWSKA^ANNA 1944-11-30",
    "LI^WEI 2001-07-19",
    "MUELLER-LUEDENSCHEIDT^KARL",
)


def write(pixels, text, x, y, value=200, size=0.6) -> None:
    cv2.putText(pixels, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, size, (value,) * 3, 1, cv2.LINE_AA)


def tissue(rows: int, columns: int, seed: int) -> np.ndarray:
    """A smooth random 'image' with speckle, (rows, columns, 3)."""
    rng = np.random.default_rng(seed)
    coarse = cv2.resize(rng.uniform(10, 200, (8, 12)), (columns, rows), interpolation=cv2.INTER_CUBIC)
    fine = rng.normal(0, 12, (rows, columns))
    return np.repeat(np.clip(coarse + fine, 0, 255).astype(np.uint8)[:, :, None], 3, axis=2)


def vendor_a(patient: str, seed: int, *, image=IMAGE) -> np.ndarray:
    """A bar with a patient's name above, menus on the left, a table of values on the right."""
    screen = np.full((ROWS, COLUMNS, 3), 40, np.uint8)
    cv2.rectangle(screen, (0, 0), (COLUMNS, 60), (70, 74, 90), -1)
    cv2.rectangle(screen, (1100, 10), (1250, 50), (150, 60, 40), -1)
    write(screen, "ACME SONO", 1110, 38, 240)
    write(screen, patient, 20, 38, 250, 0.7)
    write(screen, f"{10 + seed % 20}:{(7 * seed) % 60:02d}", 900, 38, 230)
    for i, label in enumerate(("Gain", "Depth", "Focus", "Preset", "Freeze", "Store")):
        cv2.rectangle(screen, (10, 100 + 60 * i), (150, 145 + 60 * i), (90, 90, 90), 1)
        write(screen, label, 22, 130 + 60 * i)
    for i, label in enumerate(("MI", "TIs", "FR")):
        write(screen, f"{label} {(seed * 13 + i * 7) % 90 / 10:.1f}", 1010, 140 + 34 * i)
    cv2.line(screen, (0, 660), (COLUMNS, 660), (120, 120, 120), 2)
    write(screen, "F1 Help   F2 Patient   F3 Report   F4 End", 20, 695, 180)
    left, top, right, bottom = image
    cv2.rectangle(screen, (left - 3, top - 3), (right + 2, bottom + 2), (110, 110, 110), 1)
    screen[top:bottom, left:right] = tissue(bottom - top, right - left, seed)
    return screen


def sector(patient: str, seed: int) -> np.ndarray:
    """A fan-shaped image on black, a frame of menus around it."""
    screen = vendor_a(patient, seed)
    left, top, right, bottom = IMAGE
    fan = np.zeros((bottom - top, right - left), np.uint8)
    middle = ((right - left) // 2, -60)
    cv2.ellipse(fan, middle, (560, 560), 0, 40, 140, 255, -1)
    cv2.ellipse(fan, middle, (120, 120), 0, 0, 180, 0, -1)
    screen[top:bottom, left:right][fan == 0] = 0
    return screen


def vendor_b(patient: str, seed: int) -> np.ndarray:
    """Another maker's screen at the same resolution: a dual display."""
    screen = np.full((ROWS, COLUMNS, 3), 12, np.uint8)
    cv2.rectangle(screen, (0, 650), (COLUMNS, ROWS), (60, 50, 30), -1)
    write(screen, patient, 500, 690, 240, 0.7)
    write(screen, "Omega CT", 20, 690, 220, 0.8)
    for left in (20, 650):
        cv2.rectangle(screen, (left - 2, 38), (left + 611, 641), (90, 120, 90), 1)
        screen[40:640, left : left + 610] = tissue(600, 610, seed + left)
    return screen


def samples(draw=vendor_a) -> list[np.ndarray]:
    return [draw(patient, seed) for seed, patient in enumerate(PATIENTS[:3] * 2)]


def moving(screen: np.ndarray, image: np.ndarray, step: int, *, place=IMAGE) -> np.ndarray:
    """``screen`` with a window of a larger ``image`` in it, which moves by two pixels a step."""
    left, top, right, bottom = place
    out = screen.copy()
    x = 2 * step
    out[top:bottom, left:right] = image[: bottom - top, x : x + right - left]
    return out


def quiet() -> np.ndarray:
    """A wide image without anything bright or like a letter, of which `moving` shows a part."""
    smooth = cv2.GaussianBlur(tissue(BOTTOM - TOP, RIGHT - LEFT + 400, 4), (9, 9), 0)
    return (smooth * 0.7).astype(np.uint8)


def legible(pixels, planted) -> float:
    """Share of the strokes of a planted text that still show; nothing else is so bright in an image."""
    strokes = np.zeros(planted.shape, bool)
    image = np.s_[TOP:BOTTOM, LEFT:RIGHT]
    strokes[image] = planted[image] >= BRIGHT
    assert strokes.any()
    return float((pixels[strokes] >= BRIGHT).mean())


def new_software(screen, patient=NAME) -> np.ndarray:
    """After an update the patient's line stands in the image, and the bar above it is gone."""
    out = screen.copy()
    out[:60] = 40
    cv2.rectangle(out, (LEFT + 40, TOP + 20), (LEFT + 420, TOP + 60), (70, 74, 90), -1)
    write(out, patient, LEFT + 50, TOP + 48, 255, 0.7)
    return out

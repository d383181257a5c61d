"""The cases of text in a room: scripts, what it is on, heights, lights and paces, each in turn. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from support.leak.fonts import FONTS, Font
from support.leak.text_cases import TUNING, turns_of

COUNT = 1400
FRAMES = 32
"""At `video_cases.RATE`: a little over a second, in which text is looked for once at least."""
SCRIPTS = (*FONTS, "code")
CARRIERS = ("wristband", "bed card", "whiteboard", "monitor", "held label")
HEIGHTS = (12, 16, 24, 40, 64)
"""Pixels an em of 1280x720; what a code has of them, `carriers` tells."""
LIGHTS = ("lit", "dim")
PACES = {"still": (0.0, 0.0), "calm": (0.5, 2.0), "brisk": (2.0, 8.0), "fast": (8.0, 24.0)}
"""Motion a frame, in pixels: of a wrist or a hand, and of the camera for what hangs or stands."""
DRAWN = 16
"""Rooms that are drawn; after them come photographs, few of them of a room."""
ROOMS = DRAWN + 8


@dataclass(frozen=True)
class RoomCase:
    """One clip. ``font`` is None for a code; ``room`` counts `rooms.rooms`."""

    number: int
    script: str
    font: Font | None
    carrier: str
    size: int
    light: str
    pace: str
    step: float
    room: int
    seed: int

    @property
    def source(self) -> str:
        """Cases of one room and one face of a font are not independent."""
        return f"room {self.room}, {self.font.file if self.font else 'code'}"

    @property
    def strata(self) -> dict[str, str]:
        """The case's place in the table."""
        return {
            "script": self.script,
            "on a": self.carrier,
            "line height": f"{self.size} px",
            "light": self.light,
            "pace": self.pace,
            "room": "drawn" if self.room < DRAWN else "photograph",
        }


def cases(count: int = COUNT, *, tune: bool = False) -> list[RoomCase]:
    """The first ``count`` cases, or others to choose rules by; as in `text_cases`, any number is balanced."""
    rng = np.random.default_rng(7 + TUNING * tune)
    scripts, carriers, lights, paces = (
        turns_of(each, rng) for each in (SCRIPTS, CARRIERS, LIGHTS, tuple(PACES))
    )
    sizes, rooms = turns_of(HEIGHTS, rng), turns_of(range(ROOMS), rng)
    fonts = {
        script: turns_of([face for faces in kinds.values() for face in faces], rng)
        for script, kinds in FONTS.items()
    }
    result = []
    for number in range(count):
        script, pace = next(scripts), next(paces)
        low, high = PACES[pace]
        result.append(
            RoomCase(
                number,
                script,
                next(fonts[script]) if script in fonts else None,
                next(carriers) if script in fonts else "wristband",
                next(sizes),
                next(lights),
                pace,
                float(rng.uniform(low, high)),
                next(rooms),
                int(rng.integers(1 << 31)),
            )
        )
    return result

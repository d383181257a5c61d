"""Fonts that judge: none of a family on which the text detector trains (`trainer.detectors.text.writing`)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from PIL import ImageFont, features

FOLDER = Path("/usr/share/fonts")


@dataclass(frozen=True)
class Font:
    """One face. ``index`` counts the faces of a collection."""

    file: str
    package: str
    index: int = 0


def _faces(package: str, *files: str) -> tuple[Font, ...]:
    return tuple(Font(f"{file}.ttf", package) for file in files)


_FREE, _LIBERATION, _AMIRI, _WQY = (
    "fonts-freefont-ttf", "fonts-liberation", "fonts-hosny-amiri", "fonts-wqy-zenhei",
)  # fmt: skip
_SANS = (
    *_faces(_FREE, "FreeSans", "FreeSansBold"),
    *_faces(_LIBERATION, "LiberationSans-Regular", "LiberationSans-Bold", "LiberationSansNarrow-Regular"),
)
_SERIF = (
    *_faces(_FREE, "FreeSerif", "FreeSerifBold"),
    *_faces(_LIBERATION, "LiberationSerif-Regular", "LiberationSerif-Bold"),
)
_MONO = (
    *_faces(_FREE, "FreeMono", "FreeMonoBold"),
    *_faces(_LIBERATION, "LiberationMono-Regular", "LiberationMono-Bold"),
)
FONTS: dict[str, dict[str, tuple[Font, ...]]] = {
    **{script: {"sans": _SANS, "serif": _SERIF, "mono": _MONO} for script in ("latin", "cyrillic", "greek")},
    "arabic": {
        "naskh": _faces(_AMIRI, "Amiri-Regular", "Amiri-Bold"),
        "serif": _faces(_FREE, "FreeSerif", "FreeSerifBold"),
        "mono": _faces(_FREE, "FreeMono"),
    },
    "devanagari": {
        "sans": (*_faces("fonts-lohit-deva", "Lohit-Devanagari"), *_faces(_FREE, "FreeSans", "FreeSansBold")),
        "serif": _faces(_FREE, "FreeSerif", "FreeSerifBold"),
    },
    "cjk": {
        "sans": (Font("wqy-zenhei.ttc", _WQY),),
        "mono": (Font("wqy-zenhei.ttc", _WQY, 1),),
        "bitmap": (Font("wqy-zenhei.ttc", _WQY, 2),),
    },
}
"""By script and kind."""


def missing(folder: Path = FOLDER) -> list[str]:
    """What is not there, in words that say how to get it; empty if every case can be drawn."""
    there = {path.name for path in folder.rglob("*") if path.suffix in {".ttf", ".ttc"}}
    packages = {
        face.package: face.file
        for kinds in FONTS.values() for faces in kinds.values() for face in faces
        if face.file not in there
    }  # fmt: skip
    problems = [f"{file} is not below {folder}: install {package}" for package, file in packages.items()]
    if not features.check("raqm"):
        problems.append("Pillow has no raqm, which shapes Arabic and Devanagari: install libraqm0")
    return problems


@lru_cache(maxsize=256)
def opened(face: Font, size: int) -> ImageFont.FreeTypeFont:
    """The face at ``size`` pixels an em."""
    return ImageFont.truetype(str(_place(face.file)), size, face.index, layout_engine=ImageFont.Layout.RAQM)


@lru_cache(maxsize=64)
def _place(file: str) -> Path:
    return next(FOLDER.rglob(file))

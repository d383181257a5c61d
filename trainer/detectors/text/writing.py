"""Lines of text to draw: scripts, their letters, the fonts that have them, and words that look like a ward's.

Fonts come from the machine (Debian's fonts-noto-core, fonts-noto-cjk, fonts-dejavu): only families whose
names begin as in `FAMILIES` train, so that a bench can judge by others.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fontTools.ttLib import TTFont
from PIL import ImageFont

from trainer.detectors.picture import Rng

FAMILIES = ("NotoSans", "NotoSerif", "NotoMono", "NotoKufi", "NotoNaskh", "DejaVu")


class FontsMissingError(ValueError):
    """Fonts of a script are not installed. The message names the packages."""


@dataclass(frozen=True)
class Script:
    """A script: its letters as ranges of code points, and what is in the name of a font that has them."""

    name: str
    ranges: tuple[tuple[int, int], ...]
    fonts: tuple[str, ...]
    longest: int = 12
    """Letters of a word, at most."""


_LATIN = ("NotoSans-", "NotoSerif-", "NotoMono-", "NotoSansMono-", "NotoSansDisplay-", "DejaVu")
_CAPITALS, _SMALL, _ACCENTS = (0x41, 0x5A), (0x61, 0x7A), ((0xC0, 0xD6), (0xE0, 0xF6))
SCRIPTS = (
    Script("latin", (_CAPITALS, _SMALL, _CAPITALS, _SMALL, *_ACCENTS), _LATIN),
    Script("cyrillic", ((0x410, 0x44F),), _LATIN),
    Script("greek", ((0x391, 0x3A1), (0x3A3, 0x3A9), (0x3B1, 0x3C9)), _LATIN),
    Script("arabic", ((0x621, 0x63A), (0x641, 0x64A)),
           ("NotoSansArabic-", "NotoKufiArabic-", "NotoNaskhArabic-")),
    Script("devanagari", ((0x905, 0x914), (0x915, 0x939), (0x93E, 0x94C)),
           ("NotoSansDevanagari-", "NotoSerifDevanagari-")),
    Script("cjk", ((0x4E00, 0x9FA0), (0x3041, 0x3096), (0x30A1, 0x30FA), (0xAC00, 0xD7A3)),
           ("NotoSansCJK", "NotoSerifCJK"), longest=6),
    Script("hebrew", ((0x5D0, 0x5EA),), ("NotoSansHebrew-", "NotoSerifHebrew-")),
    Script("thai", ((0xE01, 0xE2E), (0xE30, 0xE30)), ("NotoSansThai-", "NotoSerifThai-")),
)  # fmt: skip
_SHARES = (0.42, 0.1, 0.06, 0.1, 0.1, 0.14, 0.04, 0.04)
_DIGITS = "0123456789"
_SIZES = (12, 16, 22, 30, 40, 56, 78, 110, 140)
"""Sizes at which fonts are opened, in pixels."""


class Writing:
    """Draws lines of text and fonts for them.

    Args:
        folder: where fonts lie, at any depth.

    Raises:
        FontsMissingError: a script has no font there.
    """

    def __init__(self, folder: Path = Path("/usr/share/fonts")) -> None:
        files = sorted(p for p in folder.rglob("*") if p.suffix in {".ttf", ".otf", ".ttc"})
        known = [p for p in files if p.name.startswith(FAMILIES)]
        self._fonts = {s.name: [p for p in known if p.name.startswith(s.fonts)] for s in SCRIPTS}
        missing = [name for name, fonts in self._fonts.items() if not fonts]
        if missing:
            raise FontsMissingError(
                f"no fonts for {', '.join(missing)} below {folder}; "
                "install fonts-noto-core, fonts-noto-cjk and fonts-dejavu"
            )
        self._glyphs: dict[Path, frozenset[int]] = {}
        self._opened: dict[tuple[Path, int], ImageFont.FreeTypeFont] = {}

    def line(self, rng: Rng) -> tuple[str, Path]:
        """A line and the font to draw it in."""
        script = SCRIPTS[int(rng.choice(len(SCRIPTS), p=_SHARES))]
        fonts = self._fonts[script.name]
        path = fonts[int(rng.integers(len(fonts)))]
        return self._drawable(_line(script, rng), path), path

    def font(self, path: Path, size: int) -> ImageFont.FreeTypeFont:
        """The font at about ``size`` pixels; kept, as opening one takes longer than drawing with it."""
        key = (path, min(_SIZES, key=lambda known: abs(known - size)))
        if key not in self._opened:
            self._opened[key] = ImageFont.truetype(str(path), key[1])
        return self._opened[key]

    def _drawable(self, text: str, path: Path) -> str:
        """``text`` without what the font has no glyph for: a row of empty boxes is no writing."""
        if path not in self._glyphs:
            with TTFont(path, fontNumber=0, lazy=True) as font:
                self._glyphs[path] = frozenset(font.getBestCmap())
        glyphs = self._glyphs[path]
        return "".join(letter for letter in text if ord(letter) in glyphs).strip() or "-"


def _line(script: Script, rng: Rng) -> str:
    kind = rng.random()
    if kind < 0.15:
        return _date(rng)
    if kind < 0.3:
        return _number(rng)
    words = [_word(script, rng) for _ in range(int(rng.integers(1, 5)))]
    if kind < 0.4:
        return "^".join(words[:2])
    if kind < 0.5:
        return f"{words[0]}: {_number(rng)}"
    return " ".join(words)


def _word(script: Script, rng: Rng) -> str:
    low, high = script.ranges[int(rng.integers(len(script.ranges)))]
    letters = [chr(int(rng.integers(low, high + 1))) for _ in range(int(rng.integers(1, script.longest + 1)))]
    word = "".join(letters)
    return word.upper() if rng.random() < 0.3 else word


def _number(rng: Rng) -> str:
    digits = "".join(_DIGITS[i] for i in rng.integers(0, 10, int(rng.integers(2, 11))))
    return digits if rng.random() < 0.6 else f"{digits[:3]}-{digits[3:]}/{rng.integers(100)}"


def _date(rng: Rng) -> str:
    day, month, year = rng.integers(1, 29), rng.integers(1, 13), rng.integers(1920, 2026)
    mark = "./-"[int(rng.integers(3))]
    text = f"{day:02d}{mark}{month:02d}{mark}{year}"
    return text if rng.random() < 0.6 else f"{text} {rng.integers(24):02d}:{rng.integers(60):02d}"

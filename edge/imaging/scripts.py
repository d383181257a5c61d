"""In which scripts a header is written: a name burned into its image is likely to be in one of them.

What is not understood is "unknown", a script that no detector is proved to find. What stays undecidable:
- a name in Latin letters in the header and in other ones in the image;
- another code under the name of a Western one, where it gives European words: single letters, names of
  which most letters are ASCII (Big5 and Shift JIS have such second bytes), and codes of 7 bits (HZ, UTF-7,
  KOI-7);
- Latin letters of another Latin set, for whose reader they are Latin all the same.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache

UNKNOWN = "unknown"
"""What cannot be decoded or belongs to no script of `_LIVING`."""

_REGISTRATIONS = {
    "6": ("", "ascii"),
    "100": ("", "latin_1"), "101": ("", "iso8859_2"), "109": ("", "iso8859_3"), "110": ("", "iso8859_4"),
    "148": ("", "iso_ir_148"), "203": ("", "iso8859_15"),
    "126": ("greek", "iso_ir_126"), "127": ("arabic", "iso_ir_127"), "138": ("hebrew", "iso_ir_138"),
    "144": ("cyrillic", "iso_ir_144"), "166": ("thai", "iso_ir_166"),
    "13": ("cjk", "shift_jis"), "58": ("cjk", "iso_ir_58"), "87": ("cjk", "iso2022_jp"),
    "149": ("cjk", "euc_kr"), "159": ("cjk", "iso2022_jp_2"),
    "192": ("", "utf_8"),
}  # fmt: skip
"""Script and codec by ISO registration number: Defined Terms of Specific Character Set, PS3.3 C.12.1.1.2,
Tables C.12-2 to C.12-5. Unicode (192) tells no script, and the default repertoire (6) is ASCII."""
_TERM = re.compile(r"ISO[-_ ]?(?:2022[-_ ]?)?IR[-_ ]?(\d+)")
"""Also with the other separators that devices write: what is meant is plain."""
_WHOLE = {
    "": _REGISTRATIONS["6"], "GB18030": ("cjk", "gb18030"), "GBK": ("cjk", "gbk"),
    "ISO 2022 GBK": ("cjk", "gbk"), "ISO 2022 58": ("cjk", "gb2312"),
}  # fmt: skip
"""Terms without a number; the last two stood in the standard until CP-1234."""
_WESTERN = frozenset({"ascii", "latin_1", "iso8859_15", "utf_8"})
_SINGLE_BYTE = {
    codec for script, codec in _REGISTRATIONS.values() if script != "cjk" and codec not in ("ascii", "utf_8")
}

_LIVING = frozenset({
    "ARABIC", "ARMENIAN", "BENGALI", "CYRILLIC", "DEVANAGARI", "ETHIOPIC", "GEORGIAN", "GREEK", "GUJARATI",
    "GURMUKHI", "HEBREW", "KANNADA", "KHMER", "LAO", "MALAYALAM", "MYANMAR", "ORIYA", "SINHALA", "TAMIL",
    "TELUGU", "THAANA", "THAI", "TIBETAN",
})  # fmt: skip
"""First words of characters' names, by script: Unicode Standard Annex #31, Table 5, without East Asia."""
_EAST_ASIAN = frozenset({
    "CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "HANGUL", "IDEOGRAPHIC", "HALFWIDTH", "FULLWIDTH",
    "BOPOMOFO", "KANGXI",
})  # fmt: skip
_COMMON = re.compile(
    # Latin-1; apostrophes of transliterations; punctuation without what turns the direction; super- and
    # subscripts; currencies; signs; arrows and operators; the byte order mark.
    "[\xa0-\xff\u02b9-\u02bf\u2000-\u200b\u2010-\u2029\u202f-\u2060\u2070-\u209c\u20a0-\u20c0"
    "\u2103\u2109\u2113\u2116\u2122\u2190-\u22ff\ufeff]"
)
_EAST_ASIAN_SIGNS = re.compile("[\u3000-\u303f\u3200-\u33ff\ufe30-\ufe4f\uff00-\uffef]")
_SHIFTS = "\x0e\x0f\x1b"
"""Shift Out, Shift In, Escape (ISO/IEC 2022): left over where a code extension was not understood."""

_WORD = re.compile("[A-Za-z\xa1-\u024f\u02b0-\u02ff\u1e00-\u1eff]+")
_ASCII_LETTER = re.compile("[A-Za-z]")
_SIGNS = frozenset("\xa7\xa9\xaa\xab\xae\xb0\xb1\xb2\xb3\xb4\xb5\xb7\xba\xbb\xd7\xf7")
"""Of Latin-1, those that stand in Western headers: degrees, powers, trade marks, quotation marks."""
_FOREIGN = re.compile("[^\x00-\x7f]+")


def codec(term: str) -> str:
    """Python's name of the code that a value of Specific Character Set stands for; ASCII if not known."""
    return (_defined(term) or _REGISTRATIONS["6"])[1]


def written_in(character_sets: Iterable[str], texts: Iterable[str]) -> tuple[str, ...]:
    """Scripts beside Latin of a header, sorted; Latin is written everywhere.

    Words are "unknown" that can hardly be European: two letters and more, all of them beyond ASCII; of the
    languages of Latin-1 also with three more of these than of ASCII letters. In European orthographies ASCII
    letters are the majority (Icelandic Þór, Polish Łódź and Turkish Şükrü are about the extreme), while
    codes of Cyrillic, Greek, Hebrew and Arabic have the whole alphabet beyond ASCII. Under Unicode that holds
    for words of Latin-1 letters alone, which converted misread bytes are; others (Vietnamese Đỗ) are genuine.

    Args:
        character_sets: values of Specific Character Set (0008,0005), PS3.3 C.12.1.1.2; none or empty ones
            for the default repertoire. Each that declares a script counts, whether it is used or not.
        texts: decoded values.

    Returns:
        Lower-case names as of Unicode's letters ("arabic", "devanagari"); Chinese, Japanese and Korean
        are one, "cjk". "unknown" for terms and texts that are not understood.
    """
    found: set[str] = set()
    codecs = []
    for term in character_sets:
        script, name = _defined(term) or (UNKNOWN, "ascii")
        found.add(script)
        codecs.append(name)
    foreign = {unicodedata.normalize("NFC", text) for text in texts if not _plain(text)}
    if foreign and all(name == "ascii" for name in codecs):
        found.add(UNKNOWN)
    together = "\n".join(foreign)
    letters = set(together).union(*_as_utf_8(together, codecs))
    found.update(map(_script, letters))
    if _misread(foreign, western=_WESTERN.issuperset(codecs), unicode="utf_8" in codecs):
        found.add(UNKNOWN)
    return tuple(sorted(found - {""}))


def _defined(term: str) -> tuple[str, str] | None:
    term = term.strip(" \0").upper()
    match = _TERM.fullmatch(term)
    return _REGISTRATIONS.get(match[1]) if match else _WHOLE.get(term)


def _plain(text: str) -> bool:
    return text.isascii() and not any(shift in text for shift in _SHIFTS)


@lru_cache(maxsize=1 << 12)
def _script(letter: str) -> str:
    """Empty for Latin and for what is common to all."""
    if letter.isascii():
        return UNKNOWN if letter in _SHIFTS else ""
    if _COMMON.fullmatch(letter):
        return ""
    name = unicodedata.name(letter, "").removeprefix("EXTENDED ").replace("ARABIC-INDIC", "ARABIC")
    first = name.partition(" ")[0]
    if first == "LATIN":
        return ""
    if first in _EAST_ASIAN or _EAST_ASIAN_SIGNS.fullmatch(letter):
        return "cjk"
    return first.lower() if first in _LIVING else UNKNOWN


def _as_utf_8(text: str, codecs: Iterable[str]) -> Iterator[str]:
    """What it says if it is UTF-8 that was read as a single-byte set, be it declared or by who wrote it."""
    for run in set(_FOREIGN.findall(text)):
        for name in {"latin_1", "cp1252", *codecs} & {"cp1252", *_SINGLE_BYTE}:
            try:
                yield run.encode(name).decode("utf-8")
            except UnicodeError:
                continue


def _misread(texts: Iterable[str], *, western: bool, unicode: bool) -> bool:
    """Whether bytes of another script seem to have been read as Latin; see `written_in`."""
    # Also values as wholes, for their initials.
    words = {word for text in texts for word in _WORD.findall(text)}
    whole = {"".join(_WORD.findall(text)) for text in texts if not _ASCII_LETTER.search(text)}
    for word in words | whole:
        if unicode and max(word, default="") > "\xff":
            continue
        plain = sum(map(str.isascii, word))
        more = len(word) - plain - sum(map(word.count, _SIGNS))
        if (more > 1 and not plain) or (western and more >= plain + 3):
            return True
    return False

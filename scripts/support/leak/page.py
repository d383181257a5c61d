"""Measured tables go into docs/anonymization.md between their marks, so that no figure is copied by hand."""

from __future__ import annotations

import re
from pathlib import Path

_PAGE = Path(__file__).resolve().parents[3] / "docs" / "anonymization.md"


def write(mark: str, block: str, page: Path = _PAGE) -> None:
    """Put ``block`` between ``<!-- MARK: begin -->`` and its end."""
    begin, end = f"<!-- {mark}: begin -->", f"<!-- {mark}: end -->"
    text = page.read_text(encoding="utf-8")
    if begin not in text or end not in text:
        raise ValueError(f"{page} has no place for {mark}: put {begin} and {end} into it")
    changed = re.sub(f"{begin}.*?{end}", lambda _: f"{begin}\n{block}\n{end}", text, flags=re.DOTALL)
    page.write_text(changed, encoding="utf-8")

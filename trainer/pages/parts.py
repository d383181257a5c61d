"""Building blocks of the report: style, tables, figures. Everything that comes from data is escaped."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

STYLE = """
:root { --ink: #1d2530; --soft: #5b6673; --line: #d7dde4; --blue: #1f4e79; --pale: #eef3f8; --warn: #9c3b26; }
* { box-sizing: border-box; }
body { font: 16px/1.5 "Segoe UI", "Helvetica Neue", Arial, "DejaVu Sans", sans-serif; color: var(--ink);
  margin: 0 auto; max-width: 940px; padding: 32px 28px 64px; background: #fff; }
h1 { font-size: 30px; line-height: 1.2; margin: 0 0 4px; }
h2 { font-size: 21px; margin: 44px 0 10px; padding-top: 14px; border-top: 2px solid var(--blue); }
h3 { font-size: 16px; margin: 24px 0 6px; }
p, li { max-width: 72ch; }
.about { color: var(--soft); margin: 0 0 18px; }
.notice, .privacy { max-width: none; }
.notice { background: #fdf1ee; border-left: 5px solid var(--warn); padding: 10px 16px; font-weight: 600; }
.privacy { background: var(--pale); border-left: 5px solid var(--blue); padding: 10px 16px; }
.lead { font-size: 18px; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(200px, 1fr)); gap: 14px; padding: 0; }
.card { border: 1px solid var(--line); border-radius: 8px; padding: 12px 14px; break-inside: avoid; }
.card b { display: block; font-size: 15px; }
.card .many { font-size: 27px; font-weight: 700; color: var(--blue); line-height: 1.15; }
.card .many small { display: block; font-size: 13px; font-weight: 400; color: var(--soft); }
.card p { font-size: 13px; line-height: 1.4; color: var(--soft); margin: 8px 0 0; }
.card svg { width: 100%; max-width: 172px; margin-top: 8px; display: block; }
.weak .many { color: var(--warn); }
.wide { overflow-x: auto; }
.broad { --room: min(1400px, 100vw - 76px); width: var(--room); margin-left: calc((100% - var(--room)) / 2); }
.broad table { font-size: 12.5px; }
table { border-collapse: collapse; font-size: 14px; margin: 10px 0; width: 100%; }
th { text-align: left; font-weight: 600; border-bottom: 2px solid var(--line); }
th, td { padding: 5px 10px 5px 0; vertical-align: top; }
td { border-bottom: 1px solid var(--line); }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
figure { margin: 14px 0; break-inside: avoid; }
figure img { max-width: 100%; height: auto; }
figcaption { font-size: 14px; color: var(--soft); max-width: 72ch; }
.small { font-size: 13px; color: var(--soft); overflow-wrap: anywhere; }
@media print {
  body { font-size: 11pt; max-width: none; padding: 0; }
  .broad { width: auto; margin-left: 0; } .broad table { font-size: 7pt; }
  h2 { break-after: avoid; } tr, li { break-inside: avoid; }
  * { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
  @page { margin: 16mm; }
}
"""

Cell = str | float | int | None
_INTERVAL = re.compile(r"[\[(].*?[\])]")
MANY = 9
"""A table of more columns takes the width of the window, not of the text."""


def document(title: str, body: Iterable[str]) -> str:
    """A whole page. Its policy forbids scripts and anything from outside, should any slip through."""
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    return "\n".join(
        (
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>",
            *body,
            "</body>\n</html>\n",
        )
    )


def paragraph(text: str, kind: str = "") -> str:
    """A paragraph of plain text."""
    return f"<p{f' class={chr(34)}{kind}{chr(34)}' if kind else ''}>{escape(text)}</p>"


def bullets(texts: Iterable[str]) -> str:
    """A list of sentences."""
    return "<ul>" + "".join(f"<li>{escape(text)}</li>" for text in texts) + "</ul>"


def figure(svg: str, alt: str, caption: str) -> str:
    """A plot as an image of its own, so that its inner names cannot meet those of another plot."""
    return _image("svg+xml", svg.encode("utf-8"), alt, caption)


def picture(png: bytes, alt: str, caption: str) -> str:
    """An image."""
    return _image("png", png, alt, caption)


def _image(kind: str, data: bytes, alt: str, caption: str) -> str:
    source = f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"
    return (
        f'<figure><img src="{source}" alt="{escape(alt, quote=True)}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def table(header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """A table; numbers and intervals stand to the right. One of many columns is set broader than the text."""
    body = [list(row) for row in rows]
    numeric = [all(_is_number(row[k]) for row in body) if body else False for k in range(len(header))]
    head = "".join(
        f'<th{_class(numeric[k])} scope="col">{escape(name)}</th>' for k, name in enumerate(header)
    )
    lines = [
        "<tr>"
        + "".join(f"<td{_class(numeric[k])}>{_text(cell)}</td>" for k, cell in enumerate(row))
        + "</tr>"
        for row in body
    ]
    inner = f"<thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody>"
    room = "wide broad" if len(header) > MANY else "wide"
    return f'<div class="{room}"><table>{inner}</table></div>'


def _class(right: bool) -> str:
    return ' class="n"' if right else ""


def _is_number(cell: Cell) -> bool:
    return not isinstance(cell, str) or cell[:1].isdigit() or cell[:2].lstrip("-+").isdigit() or cell == "-"


def _text(cell: Cell) -> str:
    if cell is None:
        return "-"
    if not isinstance(cell, str):
        return f"{cell:.3f}" if isinstance(cell, float) else str(cell)
    if not _is_number(cell):
        return escape(cell)
    # A line may end between a number and its interval, not within that.
    return _INTERVAL.sub(lambda found: found[0].replace(" ", "&nbsp;"), escape(cell))


def value(part: dict[str, Any], key: str) -> str:
    """``0.774 (0.731 to 0.815)``."""
    number = part.get(key)
    if number is None:
        return "-"
    interval = part.get(f"{key}_interval")
    return f"{number:.3f}" + (f" ({interval[0]:.3f} to {interval[1]:.3f})" if interval else "")


def dots(right: int, wrong: int, alt: str) -> str:
    """A hundred marks, ten by ten: filled dots, then crosses, then empty dots. They differ without colour."""
    marks = "".join(_mark(k, right, wrong) for k in range(100))
    return f'<svg viewBox="0 0 111 111" role="img" aria-label="{escape(alt, quote=True)}">{marks}</svg>'


def _mark(place: int, right: int, wrong: int) -> str:
    x, y = 6 + 11 * (place % 10), 6 + 11 * (place // 10)
    if place < right:
        return f'<circle cx="{x}" cy="{y}" r="4.3" fill="#1f4e79"/>'
    if place < right + wrong:
        ends = f"M{x - 3.4} {y - 3.4}l6.8 6.8m0-6.8l-6.8 6.8"
        return f'<path d="{ends}" stroke="#c8553d" stroke-width="2.2" fill="none"/>'
    return f'<circle cx="{x}" cy="{y}" r="4.3" fill="#fff" stroke="#b5bfca" stroke-width="1.2"/>'

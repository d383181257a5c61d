"""Tables as Markdown. Pure."""

from __future__ import annotations

from collections.abc import Sequence


def grid(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table with its head."""
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, ["---"] * len(head), *lines))

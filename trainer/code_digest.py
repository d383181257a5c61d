"""What code does, as a digest: equal where only comments, docstrings or layout differ."""

from __future__ import annotations

import ast
import hashlib
import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path

TOP = Path(__file__).parent


@cache
def code_digest(places: Iterable[str]) -> str:
    """SHA-256, in hex, over files and folders, as a tuple of paths seen from the trainer's folder."""
    found = hashlib.sha256()
    for place in places:
        for file in sorted((TOP / place).rglob("*.py")) if (TOP / place).is_dir() else [TOP / place]:
            found.update(
                f"{Path(os.path.relpath(file, TOP)).as_posix()}\n{bare(file.read_text('utf-8'))}\n".encode()
            )
    return found.hexdigest()


def bare(source: str) -> str:
    """Python without comments and docstrings, in one layout."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            kept = [each for each in body if not _is_text(each)]
            node.body = kept or [ast.Pass()]  # type: ignore[attr-defined]
    return ast.unparse(tree)


def _is_text(node: ast.AST) -> bool:
    held = node.value if isinstance(node, ast.Expr) else None
    return isinstance(held, ast.Constant) and isinstance(held.value, str)

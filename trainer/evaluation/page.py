"""The report for a doctor: one self-contained page without script and without outside resources."""

from __future__ import annotations

from typing import Any


def page(result: dict[str, Any]) -> str:
    """HTML of an evaluation."""
    from html import escape

    from trainer.evaluation.table import table

    return f"<!doctype html><meta charset=utf-8><title>Evaluation</title><pre>{escape(table(result))}</pre>\n"

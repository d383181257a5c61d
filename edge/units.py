"""Durations and sizes that are written with their unit, as in ``"400 ms"`` or ``"2 GiB"``.

A bare number could be read in the wrong unit, so it is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator

TIME_UNITS: Mapping[str, float] = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
SIZE_UNITS: Mapping[str, float] = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}

# Bounded digits: a number of a million digits is refused before it is converted.
_QUANTITY = re.compile(r"\s*([0-9]{1,15}(?:\.[0-9]{1,15})?)\s*([A-Za-z]+)\s*")


def _with_unit(units: Mapping[str, float], what: str, example: str) -> BeforeValidator:
    def parse(value: object) -> float:
        match = _QUANTITY.fullmatch(value) if isinstance(value, str) else None
        if match is None or match[2] not in units:
            raise ValueError(f'expected {what} with its unit ({", ".join(units)}), such as "{example}"')
        return float(match[1]) * units[match[2]]

    return BeforeValidator(parse)


Seconds = Annotated[float, _with_unit(TIME_UNITS, "a duration", "400 ms")]
"""A duration in seconds, parsed from text with a unit of `TIME_UNITS`."""

Bytes = Annotated[int, _with_unit(SIZE_UNITS, "a size", "2 GiB")]
"""A size in bytes, parsed from text with a unit of `SIZE_UNITS`; fractions of a byte are refused."""


def written(text: str) -> Any:
    """Give a default as the file writes it, for a field of type `Seconds` or `Bytes`.

    The text is what ``edge settings`` prints; validation of defaults turns it into the number.
    """
    return text

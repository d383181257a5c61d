"""Fixtures that every room shares."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
EDGE_DATA = Path(os.environ.get("EDGE_DATA", ROOT.parent / "shared" / "data"))


@pytest.fixture(scope="session")
def edge_data() -> Path:
    """The real imaging data; a test that asks for it skips visibly where there is none."""
    if not (EDGE_DATA / "index.csv").is_file():
        pytest.skip(f"needs real data: set EDGE_DATA (now {EDGE_DATA})")
    return EDGE_DATA

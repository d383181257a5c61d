"""A clinic with a real Mosquitto on a free port."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.clinic.places import read_config
from tests.clinic.demo_clinic import Broker, make_clinic


@pytest.fixture
def clinic(tmp_path: Path) -> Path:
    """The folder of a fresh clinic on a free port."""
    return make_clinic(tmp_path / "clinic")


@pytest.fixture
def broker(clinic: Path) -> Iterator[Broker]:
    """The clinic's broker, running."""
    running = Broker(clinic / "broker", read_config(clinic / "root").port)
    running.start()
    yield running
    running.kill()

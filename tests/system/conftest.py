"""Sites with real processes; a test that needs a program skips visibly where it is not installed."""

from __future__ import annotations

import shutil

import pytest

from tests.clinic.conftest import broker, clinic  # noqa: F401 - fixtures


@pytest.fixture
def site(tmp_path):
    """Make sites; each is torn down at the end, whatever happened."""
    missing = [program for program in ("mosquitto", "storescu") if shutil.which(program) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)} (scripts/test installs them)")
    from support.site import Site

    sites = []

    def make(**options):
        sites.append(Site(tmp_path / f"site{len(sites)}", **options))
        return sites[-1]

    yield make
    for each in sites:
        each.stop_all()

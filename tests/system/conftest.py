"""What every system test may use."""

from tests.clinic.conftest import broker, clinic  # noqa: F401 - fixtures

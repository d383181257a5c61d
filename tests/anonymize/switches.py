"""Time by hand, for tests of the privacy switch."""

from __future__ import annotations

S = 1_000_000_000


class Clock:
    """Monotonic, by hand."""

    def __init__(self):
        self.ns = 1000 * S

    def __call__(self):
        return self.ns

    def wait(self, seconds):
        self.ns += int(seconds * S)


def opened(switch, clock):
    """Wait until a switch that is turned to open counts as open."""
    assert switch.view().why == "switch_opening"
    clock.wait(1.0)
    assert switch.view().why is None

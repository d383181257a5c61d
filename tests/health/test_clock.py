"""Which clock readings are trusted (threat model, T17)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from edge.health.clock import BUILT, StoredTime, judge

BUILD = BUILT.timestamp()
DAY = 86_400


@pytest.mark.parametrize(
    ("now", "stored", "synchronized", "verdict"),
    [
        (0, None, True, "untrusted"),  # 1970, whatever a time server says
        (BUILD - 1, None, True, "untrusted"),
        (BUILD + 5, None, False, "untrusted"),  # nobody vouches for it
        (BUILD + 5, None, True, "trusted"),
        (BUILD + 5 * DAY, BUILD + 4.5 * DAY, False, "trusted"),  # it went on from where it was
        (BUILD + 5 * DAY, BUILD + 3 * DAY, False, "untrusted"),  # a step of two days
        (BUILD + 5 * DAY, BUILD + 3 * DAY, True, "trusted"),
        (BUILD + 5 * DAY, BUILD + 6 * DAY, True, "untrusted"),  # it ran backwards
    ],
)
def test_the_rule(now, stored, synchronized, verdict):
    assert judge(now, stored, synchronized=synchronized) == verdict


def test_the_stored_time_only_rises(tmp_path):
    stored = StoredTime(tmp_path / "clock")
    assert stored.read() is None
    stored.write(BUILD + 100)
    stored.write(BUILD + 50)
    assert StoredTime(tmp_path / "clock").read() == BUILD + 100


def test_threads_that_ask_at_once_do_not_disturb_each_other(tmp_path):
    stored = StoredTime(tmp_path / "clock")
    moments = range(int(BUILD), int(BUILD) + 400)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(stored.write, moments))
    assert StoredTime(tmp_path / "clock").read() == moments[-1]


def test_a_damaged_file_is_no_time(tmp_path):
    (tmp_path / "clock").write_text("yesterday")
    assert StoredTime(tmp_path / "clock").read() is None

"""The view and the live table: numbers that are right, and a picture that fits."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from edge.clinic.lines import line
from edge.clinic.observers import Both
from edge.clinic.receive import Observer, Tally, _newer
from edge.clinic.screen import Screen
from edge.clinic.table import render
from edge.clinic.view import MAX_STUDIES, View
from edge.messages import DeviceState, SourceHealth
from tests.clinic.results import EPOCH, NOW_MS, batch, finding, gap, held_back, result, series


def picture(view: View, tally: Tally | None = None, *, width: int = 130, now_ms: int = NOW_MS) -> str:
    console = Console(width=width, record=True, force_terminal=True, file=io.StringIO())
    console.print(render(view, tally or Tally(), site="demo", now_ms=now_ms, width=width))
    return console.export_text()


def test_rate_and_latency_are_those_of_the_last_ten_seconds() -> None:
    view = View()
    for second in range(20):
        # 25 frames a second, 120 ms from capture of the last frame to arrival.
        frames = [finding(captured_ms=NOW_MS + second * 1000 + n * 40) for n in range(25)]
        view.result(batch(second + 1, *frames, dropped=1), NOW_MS + second * 1000 + 24 * 40 + 120)
    live = view.live["box-1", "camera-1"]
    assert live.fps() == pytest.approx(25.0, abs=0.1)
    assert (live.frames, live.dropped) == (500, 20)
    assert live.latency_ms(50) == pytest.approx(120 + 12 * 40, abs=40)
    assert live.latency_ms(99) == pytest.approx(120 + 24 * 40, abs=1)
    assert len(live.recent) <= 11 * 25, "bounded"
    assert "25.0" in picture(view, now_ms=NOW_MS + 20_000)


def test_a_source_that_fell_silent_is_said_to_be_silent() -> None:
    view = View()
    view.result(batch(1, finding()), NOW_MS)
    assert "glioma" in picture(view)
    assert "silent for 42 s" in picture(view, now_ms=NOW_MS + 42_000)


def test_a_study_shows_label_abstention_and_what_was_held_back_and_why() -> None:
    view = View()
    view.result(result(1, finding("glioma", 0.91)), NOW_MS)
    view.result(result(2, held_back("text_left")), NOW_MS)
    view.result(result(3, finding(None, 0.55), series=b"q" * 16), NOW_MS)
    view.result(result(4, held_back("not_intended_use"), study=b"u" * 16), NOW_MS)
    shown = picture(view)
    for words in ("73737373", "glioma", "0.91", "1 text left", "abstained: unsure", "0.55", "75757575"):
        assert words in shown, words
    assert "1 not intended use" in shown
    view.result(series(), NOW_MS)
    assert "0.93" in picture(view)
    assert "8 used" in picture(view)


def test_the_books_name_holes_gaps_refusals_and_duplicates() -> None:
    view, tally = View(), Tally(duplicates=3)
    view.result(gap(7, 3, 5), NOW_MS)
    tally.refused.update({"unknown_sender": 2})
    tally.missing = {("box-1", "scanner", EPOCH): [(14, 16), (20, 20)]}
    shown = picture(view, tally)
    for words in ("14 to 16, 20", "3 of box-1/scanner (bytes)", "2 unknown sender", "3 came again"):
        assert words in shown, words


@pytest.mark.parametrize("width", [60, 80, 100, 130, 200])
def test_the_picture_fits_its_terminal_and_always_says_what_it_is_not_for(width: int) -> None:
    view = View()
    view.state(
        state(
            sources=[
                SourceHealth(name="camera-2", state="failed", last_frame_age_ms=None, frames=0, dropped=0)
            ]
        )
    )
    view.result(batch(1, finding(), suppressed={"no_bracket": 2}), NOW_MS)
    for n in range(40):
        view.result(result(n + 1, study=bytes([n]) * 16), NOW_MS)
    shown = picture(view, width=width)
    assert max(len(row) for row in shown.splitlines()) <= width
    assert "research use, not for diagnosis" in shown
    assert "newest" in shown
    assert width < 80 or "2 no bracket" in shown


def test_a_blind_camera_says_why() -> None:
    health = SourceHealth(name="bedside", state="blind", last_frame_age_ms=None, frames=0, dropped=0)
    view = View()
    view.state(state(sources=[health.model_copy(update={"blind": "switch_closed"})]))
    assert "bedside blind (switch closed)" in picture(view, width=200)


def test_words_from_outside_cannot_colour_or_break_the_table() -> None:
    assert "[/red] [bold" in picture(View(), Tally(trouble="[/red] [bold"))


def test_memory_is_bounded_by_the_newest_studies() -> None:
    view = View()
    for n in range(MAX_STUDIES + 50):
        view.result(result(n + 1, study=n.to_bytes(16, "big")), NOW_MS + n)
    assert len(view.studies) == MAX_STUDIES
    assert (MAX_STUDIES + 49).to_bytes(16, "big") in view.studies


def state(**other: object) -> DeviceState:
    base = {
        "device": "box-1",
        "online": True,
        "boot": b"b" * 16,
        "session": 2,
        "version": "0",
        "made_ms": NOW_MS,
    }
    return DeviceState(**{**base, **other})  # type: ignore[arg-type]


def test_a_late_will_does_not_hide_a_newer_birth() -> None:
    birth = state(session=3, made_ms=NOW_MS + 10)
    assert not _newer(state(session=2, online=False, made_ms=NOW_MS), birth)
    assert _newer(state(session=3, online=False, made_ms=NOW_MS), birth), "the will of this very session"
    assert _newer(state(boot=b"c" * 16, session=0, made_ms=NOW_MS + 20), birth), "after a reboot"
    assert not _newer(state(boot=b"a" * 16, session=9, made_ms=NOW_MS), birth), "before a reboot"


def test_a_json_line_holds_everything_but_identity() -> None:
    body = result(1, finding(), held_back(), identity=b"WHO-IS-IT", identity_kid=b"k" * 16)
    text = line(body, 42)
    fields = json.loads(text)
    assert "\n" not in text
    assert (fields["identified"], fields["arrived_ms"], fields["study"]) == (True, 42, "73" * 16)
    assert fields["head"]["epoch"] == EPOCH.hex()
    assert [item["kind"] for item in fields["outcomes"]] == ["finding", "suppressed"]
    assert b"WHO-IS-IT".hex() not in text
    assert "identity" not in fields
    assert "identity_kid" not in fields
    assert not json.loads(line(result(2), 42))["identified"]


def test_the_screen_draws_what_the_receiver_tells() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=120, height=40)
    with Screen(View(), "demo", console) as screen:
        observer = Both(Observer(), screen)
        observer.result(result(1, finding("glioma", 0.91)), NOW_MS)
        observer.in_order(result(1, finding("glioma", 0.91)), NOW_MS)
        observer.state(state())
        observer.turn(Tally(connected=True))
    for words in ("glioma", "box-1", "0.91", "research use"):
        assert words in out.getvalue(), words

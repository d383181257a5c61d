"""What a person sees of a run."""

from __future__ import annotations

import io

from edge.anonymize.files.progress import Progress, line
from edge.anonymize.files.report import FileReport
from edge.anonymize.files.summary import in_words, summarize


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_rate_and_time_left():
    assert line(500, 10_000, 3, 2.5) == "500/10000 files (5 %), 3 held back, 2.5 files/s, 1 h 03 min left"
    assert line(9_000, 10_000, 0, 10.0).endswith("10.0 files/s, 1 min left")
    assert line(10_000, 10_000, 0, 10.0).endswith("10.0 files/s")
    assert line(0, 0, 0, 0.0) == "0/0 files (0 %), 0 held back, 0.0 files/s"


def test_one_line_on_a_terminal_and_few_elsewhere():
    for stream, most in ((Terminal(), 1), (io.StringIO(), 3)):
        progress = Progress(10_000, stream)
        for done in range(1, 10_001):
            progress.show(done, 0)
        progress.end()
        said = stream.getvalue()
        assert said.count("\n") <= most
        assert "10000/10000 files (100 %)" in said


def test_a_summary_counts_each_outcome_and_reason():
    reports = [
        FileReport(1, kind="dicom", outcome="written", output="a", bytes=10, frames=2),
        FileReport(2, kind="dicom", outcome="duplicate", output="a", bytes=10, frames=2),
        FileReport(3, kind="video", outcome="partial", reason="some_frames", output="b", bytes=5, frames=7),
        FileReport(4, kind="dicom", reason="unknown_layout", frames=1),
    ]
    found = summarize(reports, seconds=2.0, done_now=3)
    assert found["outcomes"] == {"duplicate": 1, "held": 1, "partial": 1, "written": 1}
    assert found["reasons"] == {"some_frames": 1, "unknown_layout": 1}
    assert (found["bytes"], found["frames"], found["files_per_second"]) == (15, 11, 1.5)
    words = in_words(found)
    assert "4 files: 1 duplicate, 1 held, 1 partial, 1 written" in words
    assert "1 unknown_layout" in words

"""A flag that a signal's handler sets: the one who waits is woken, and nothing ever hangs."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

from edge.flag import Flag

ROOT = Path(__file__).parents[1]
HAMMER = """
import random, signal, threading
from edge.flag import Flag
for _ in range(6000):
    flag = {made}
    signal.signal(signal.SIGALRM, lambda *_: flag.set())
    signal.setitimer(signal.ITIMER_REAL, 1e-6 + random.random() * 1e-4)
    while not flag.wait(1e-3):
        pass
print("done")
"""


def hammer(kind: str, seconds: float) -> str:
    program = [sys.executable, "-c", HAMMER.format(made=kind)]
    try:
        done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, timeout=seconds, check=True)
    except subprocess.TimeoutExpired:
        return "hangs"
    return done.stdout


def test_a_signal_at_any_moment_of_a_wait_is_heard() -> None:
    assert hammer("Flag()", 60) == "done\n"


def test_it_wakes_who_waits_in_another_thread_and_can_be_lowered() -> None:
    flag = Flag()
    assert not flag.wait(0.01)
    threading.Timer(0.05, flag.set).start()
    start = time.monotonic()
    assert flag.wait(30)
    assert time.monotonic() - start < 10
    assert flag.is_set()
    assert flag.wait(30)
    flag.clear()
    assert not flag.is_set()

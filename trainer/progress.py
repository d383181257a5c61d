"""One progress bar for all long work, on a terminal or in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress(title: str, steps: int) -> Iterator[Callable[[str], None]]:
    """Yield a function to be called after each of ``steps`` steps with a short text.

    A terminal gets a bar with the time left; anything else gets a line every ten percent.
    """
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, TextColumn("{task.fields[text]}"), console=Console(stderr=True)) as bar:
            task = bar.add_task(title, total=steps, text="")
            yield lambda text: bar.update(task, advance=1, text=text)
        return
    started, done, shown = time.monotonic(), 0, -1

    def advance(text: str) -> None:
        nonlocal done, shown
        done += 1
        if 10 * done // steps > shown or done == 1:
            shown = 10 * done // steps
            spent = time.monotonic() - started
            left = spent / done * (steps - done)
            print(f"{title}: {done}/{steps}, {left:.0f} s left {text}", file=sys.stderr, flush=True)

    yield advance

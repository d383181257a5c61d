"""One progress bar for all long work, on a terminal or in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar

Note = Callable[[str, int], str]
"""Title of some work and its steps so far -> what else to show, perhaps nothing."""

_note: ContextVar[Note | None] = ContextVar("note", default=None)


@contextmanager
def noted(note: Note) -> Iterator[None]:
    """Let ``note`` speak in all progress shown meanwhile, for example of the budget spent."""
    token = _note.set(note)
    try:
        yield
    finally:
        _note.reset(token)


_MANY = 500
"""Steps from which on `quietly` speaks."""


def quietly(
    title: str, steps: int, items: int | None = None
) -> AbstractContextManager[Callable[[str], None]]:
    """`progress`, but silent where the work on so few items takes no time worth telling."""
    return progress(title, steps) if (steps if items is None else items) >= _MANY else nullcontext(_silent)


def _silent(_: str) -> None:
    pass


@contextmanager
def progress(title: str, steps: int) -> Iterator[Callable[[str], None]]:
    """Yield a function to be called after each of ``steps`` steps with a short text.

    A terminal gets a bar with the time left; anything else gets a line every ten percent.
    """
    note, done = _note.get(), 0

    def and_note(text: str) -> str:
        return " ".join(part for part in (text, note(title, done) if note else "") if part)

    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, TextColumn("{task.fields[text]}"), console=Console(stderr=True)) as bar:
            task = bar.add_task(title, total=steps, text="")

            def advance_bar(text: str) -> None:
                nonlocal done
                done += 1
                bar.update(task, advance=1, text=and_note(text))

            yield advance_bar
        return
    started, shown = time.monotonic(), -1

    def advance(text: str) -> None:
        nonlocal done, shown
        done += 1
        if 10 * done // steps > shown or done == 1:
            shown = 10 * done // steps
            spent = time.monotonic() - started
            left = spent / done * (steps - done)
            print(f"{title}: {done}/{steps}, {left:.0f} s left {and_note(text)}", file=sys.stderr, flush=True)

    yield advance

"""Cases over processes, in order, with progress."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any, TypeVar

Result = TypeVar("Result")
_EVERY = 20.0
"""Seconds between lines of progress."""


def in_order(
    run: Callable[..., Result], arguments: Sequence[tuple[Any, ...]], what: str, jobs: int
) -> Iterator[Result]:
    """``run(*each)`` of all arguments, in order; now and then a line says how far it is."""
    started = shown = time.monotonic()
    with ProcessPoolExecutor(jobs) as pool:
        waiting = pool.map(run, *zip(*arguments, strict=True), chunksize=4)
        for done, result in enumerate(waiting, 1):
            yield result
            if time.monotonic() - shown > _EVERY:
                shown = time.monotonic()
                left = (shown - started) / done * (len(arguments) - done)
                print(f"{what}: {done}/{len(arguments)}, {left:.0f} s left", flush=True)

"""The search of a process's memory, as somebody who stole the running box and froze its chips could make it.

Linux gives root each readable byte of a process in /proc/PID/mem (proc(5)), by the ranges of /proc/PID/maps.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterable, Iterator
from pathlib import Path

_PIECE = 16 << 20
_KERNELS = ("[vvar]", "[vsyscall]")
"""Pages of the kernel's own, which cannot be read."""


def forms(text: str) -> set[bytes]:
    """A text's bytes in UTF-8, Latin-1 and UTF-16; Python keeps strings in the last two."""
    return {text.encode(name) for name in ("utf-8", "latin-1", "utf-16-le")}


def tree(pid: int) -> list[int]:
    """A process and all that it started, from whichever of its threads."""
    below = [
        int(word)
        for children in Path(f"/proc/{pid}/task").glob("*/children")
        for word in children.read_text(encoding="ascii").split()
    ]
    return [pid, *(each for child in below for each in tree(child))]


@contextlib.contextmanager
def frozen(pids: Iterable[int]) -> Iterator[None]:
    """Processes that stand still meanwhile; those that are gone already count as such."""
    pids = list(pids)
    try:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def _ranges(pid: int) -> Iterator[tuple[int, int]]:
    """All readable memory but that which is a file, mapped to be read alone: programs and libraries."""
    for line in Path(f"/proc/{pid}/maps").read_text(encoding="utf-8", errors="replace").splitlines():
        where, modes, _, _, inode, *name = line.split(maxsplit=5)
        shared_memory = "".join(name).startswith("/memfd:")
        of_a_file = inode != "0" and "w" not in modes and not shared_memory
        if modes.startswith("r") and not of_a_file and "".join(name) not in _KERNELS:
            start, end = where.split("-")
            yield int(start, 16), int(end, 16)


def search(pid: int, words: Iterable[bytes]) -> set[bytes]:
    """Those of ``words`` that stand in a process's memory.

    Raises:
        PermissionError: this memory may not be read (ptrace(2), access mode checking).
    """
    missing, found = set(words), set[bytes]()
    overlap = max(map(len, missing)) - 1  # no word is cut in two
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for start, end in _ranges(pid):
            for at in range(start, end, _PIECE):
                memory.seek(at)
                try:
                    piece = memory.read(min(_PIECE + overlap, end - at))
                except OSError:  # a mapping beyond the end of its file
                    continue
                found |= {word for word in missing if word in piece}
                missing -= found
                if not missing:
                    return found
    return found

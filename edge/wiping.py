"""Freed memory is overwritten, so that a name does not outlive the object that held it (threat model, T6).

Neither CPython nor the libraries under it clear a string or a buffer when they free it, but both can be
told to, from outside and at the start alone. ``PYTHONMALLOC=malloc_debug`` makes Python fill each freed
block. ``glibc.malloc.perturb`` (mallopt(3), M_PERTURB) makes glibc do so for what libraries free, pixels
above all; chunks in malloc's thread caches would be missed, so these are off. glibc leaves a chunk's last
8 bytes alone, which hold no data of Python's. A process that was not started so starts itself anew, under
the same process id.

What is still in use is not freed; and freed pages that went back to the kernel are cleared by it before
anybody else sees them (at once with the kernel's ``init_on_free=1``).
"""

from __future__ import annotations

import os
import sys

_PYTHON, _PYTHON_WANTED = "PYTHONMALLOC", "malloc_debug"
_GLIBC, _GLIBC_WANTED = "GLIBC_TUNABLES", "glibc.malloc.perturb=165:glibc.malloc.tcache_count=0"


def overwrite_freed_memory() -> None:
    """Return in a process whose freed memory is overwritten; start this one anew if it is none.

    To be called first of all, before there are threads or open files.
    """
    tunables = os.environ.get(_GLIBC, "")
    if os.environ.get(_PYTHON) == _PYTHON_WANTED and tunables.endswith(_GLIBC_WANTED):
        return
    os.environ[_PYTHON] = _PYTHON_WANTED
    os.environ[_GLIBC] = f"{tunables}:{_GLIBC_WANTED}" if tunables else _GLIBC_WANTED
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - this very command again

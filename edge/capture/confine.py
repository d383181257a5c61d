"""What a process that holds foreign bytes denies itself."""

from __future__ import annotations

import ctypes
import os
import resource
import signal

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_PR_SET_DUMPABLE = 4
_PR_SET_NO_NEW_PRIVS = 38


def deny_dumps() -> None:
    """No core dump, and no other process of this user may read this one's memory."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _prctl(_PR_SET_DUMPABLE, 0)


def confine_worker(parent: int, address_space: int, file_size: int) -> None:
    """Bounds of a worker: memory, output, files, no new privileges, no life without its parent.

    Args:
        parent: process id of the parent that started this worker.
        address_space: bytes (RLIMIT_AS).
        file_size: bytes of any one file or memfd that it writes (RLIMIT_FSIZE).
    """
    deny_dumps()
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
    if os.getppid() != parent:  # it died before the line above
        os._exit(0)
    # A stop of the whole service reaches every process: the parent stops its workers itself, so
    # that no object is blamed for the death of its worker.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_AS, (address_space, address_space))
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, file_size))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # writing beyond it is an OSError


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl was refused")

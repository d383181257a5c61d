"""The journal: short lines with fields, and never patient data.

Under systemd, entries go to the journal with their fields; elsewhere to standard error. What is
logged are fixed sentences with counts and closed-list reasons: no header value, file name or UID of
foreign origin is passed to a logger. The one exception is the AE title of a caller that was rejected:
a technician cannot mend a wrong one without seeing it.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import TextIO

_PRIORITY = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}


class _NoErrorText(logging.Filter):
    """Leaves out what an exception says: it may quote its input. The message names its type."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.exc_info, record.exc_text, record.stack_info = None, None, None
        return True


class _Lines(logging.StreamHandler[TextIO]):
    """Lines for standard error; with a level prefix (sd-daemon(3)) when the journal reads them."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)
        self._prefixed = "JOURNAL_STREAM" in os.environ

    def format(self, record: logging.LogRecord) -> str:
        line = f"{record.levelname.lower()} {record.threadName} {record.name}: {record.getMessage()}"
        return f"<{_PRIORITY.get(record.levelno, 6)}>{line}" if self._prefixed else line


def _journal_handler() -> logging.Handler | None:
    if "JOURNAL_STREAM" not in os.environ:
        return None
    try:
        from systemd.journal import JournalHandler  # noqa: PLC0415 - only on a device
    except ImportError:
        return None
    handler: logging.Handler = JournalHandler(SYSLOG_IDENTIFIER="edge")
    return handler


def set_up(level: str) -> None:
    """Send this process's log to the journal, or to standard error; ``level`` as in the settings."""
    root = logging.getLogger()
    for handler in list(root.handlers):
        root.removeHandler(handler)
    handler = _journal_handler() or _Lines()
    handler.addFilter(_NoErrorText())
    root.addHandler(handler)
    root.setLevel(level.upper())
    # pydicom and pynetdicom quote header values in their messages: they are not heard at all.
    for name in ("pydicom", "pynetdicom", "PIL", "urllib3"):
        noisy = logging.getLogger(name)
        noisy.handlers.clear()
        noisy.propagate = False
        noisy.addHandler(logging.NullHandler())

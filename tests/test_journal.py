"""What an error quotes never reaches the journal (threat model, T14)."""

from __future__ import annotations

import subprocess
import sys

_PROGRAM = """
import logging, sys
from edge import journal
journal.set_up("info")
try:
    raise ValueError("PLANTEDNAME in an error")
except ValueError:
    logging.getLogger("edge.test").exception("a step failed: ValueError")
logging.getLogger("pydicom").warning("PLANTEDNAME in a header")
logging.getLogger("edge.test").debug("too low to be written")
"""


def test_the_sentence_is_written_and_the_errors_own_text_is_not():
    done = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=True)
    assert "a step failed: ValueError" in done.stderr  # the control: the journal was written
    assert "PLANTEDNAME" not in done.stderr + done.stdout
    assert "too low" not in done.stderr

"""What goes wrong in an evaluation that a user can mend."""

from __future__ import annotations


class EvaluationError(ValueError):
    """The evaluation cannot be done; the message says what to do."""

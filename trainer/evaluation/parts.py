"""The parts of an evaluation that can be left out."""

PARTS = ("shortcut", "without_copies", "degraded", "faithfulness", "precision")
"""What takes time beyond the main figures."""

"""The parts of an evaluation that can be left out."""

PARTS = ("shortcut", "degraded", "faithfulness", "precision")
"""What takes time beyond the main figures."""

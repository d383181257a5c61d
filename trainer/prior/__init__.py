"""What the network knows before it sees a patient: pretraining on phantoms and random processes."""

from pathlib import Path

SHIPPED = Path(__file__).with_name("prior.npz")
"""The prior that comes with the trainer."""

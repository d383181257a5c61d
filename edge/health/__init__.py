"""What the box knows of its own condition: clock, pulses, service manager."""

"""Live sources: a delay line, and masks that each frame is bracketed by."""

"""The box's own face detector: composites of public portraits, a small network, its training and export."""

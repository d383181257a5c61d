"""Whether a camera may see: its consent mode, and the local privacy switch that blinds it at once."""

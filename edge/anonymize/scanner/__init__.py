"""Scanner frames: what of them may be kept, and the text that goes."""

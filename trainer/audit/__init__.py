"""Attacks on a trained model, and the epsilon that they prove at least."""

"""Slices of a head, as magnetic resonance and computed tomography show them."""

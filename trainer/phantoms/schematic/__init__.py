"""Simpler phantoms: outlines, levels and findings without the detail of anatomy."""

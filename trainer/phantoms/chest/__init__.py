"""Frontal radiographs of a chest."""

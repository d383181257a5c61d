"""The clinic's end: keys by role, opened results, signed commands."""

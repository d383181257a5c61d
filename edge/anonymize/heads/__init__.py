"""Heads: tomographic images of which a face could be rendered (PS3.15 E.3.2)."""

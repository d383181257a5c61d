"""The same split, other recipes: the table that stands in the README."""

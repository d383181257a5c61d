"""Where in a picture faces are."""

"""Where in a picture text is."""

"""What box and trainer do to pixels in common: decoding, quality, preprocessing, the bundle format."""

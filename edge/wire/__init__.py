"""What box and clinic share of the wire: topics, keys, envelope, manifest, session."""

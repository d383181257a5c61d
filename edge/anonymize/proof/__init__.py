"""Standing proof: in service, too, something keeps asking whether what leaves is clean."""

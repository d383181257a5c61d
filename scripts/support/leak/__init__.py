"""scripts/bench leak: planted faces, texts and names, and what of them leaves."""

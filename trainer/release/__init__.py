"""From a run to a signed bundle: export, model card, TUF signatures."""

"""The guarantee: noise, clipping and steps, accountants, the ledger, the statement."""

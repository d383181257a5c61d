"""The data path: one stage after the other, bounded queues between them."""

"""Other anonymizers, as their own users run them, each in an environment of its own below .cache/peers."""

"""Images that nobody was ever in: what the network learns to see from, before any private image is opened."""

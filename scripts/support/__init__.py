"""What demo, bench and system tests share: a demo clinic, inputs with planted names, the search for them."""

"""Updates of the model bundle; this version ships its model with the package and updates nothing."""

"""From a data set and a budget to a trained network: recipes and the two engines."""

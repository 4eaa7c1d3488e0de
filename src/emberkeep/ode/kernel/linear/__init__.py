"""Linear systems of one trajectory: an order of elimination, and the code that follows it."""

"""Results on disk: written as they come, and opened lazily."""

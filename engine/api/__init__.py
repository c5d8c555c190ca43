"""The HTTP contract over the engine."""

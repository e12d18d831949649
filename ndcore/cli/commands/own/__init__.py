"""Commands about a model that somebody brings."""

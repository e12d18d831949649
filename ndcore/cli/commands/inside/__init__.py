"""Commands about what happens inside a network."""

"""Images from strangers: read by a small process of its own, which can be ended at any time."""

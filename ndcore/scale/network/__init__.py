"""Shards of what is asked of a network about images of a source."""

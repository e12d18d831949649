"""The Concept Graph's canvas."""

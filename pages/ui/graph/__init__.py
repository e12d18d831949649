"""Panels of the Concept Graph."""

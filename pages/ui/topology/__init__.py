"""Panels of the Topology page."""

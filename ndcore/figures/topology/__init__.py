"""Figures of the Topology page."""

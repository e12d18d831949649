"""Panels of the Divergence Detector."""

"""Figures of the Divergence Detector and its case files."""

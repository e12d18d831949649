"""Panels of Training Evolution."""

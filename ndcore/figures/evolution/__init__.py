"""Figures of Training Evolution."""

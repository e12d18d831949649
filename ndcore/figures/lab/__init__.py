"""Figures of the Attack Lab."""

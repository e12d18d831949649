"""Panels of the Attack Lab."""

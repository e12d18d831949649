"""Panels of Home."""

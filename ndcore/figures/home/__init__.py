"""Figures of Home."""

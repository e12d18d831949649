"""Figures of the Activation Explorer."""

"""Panels of the Activation Explorer."""

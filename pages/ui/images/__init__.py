"""Choosing images: sources, galleries, natural errors, uploads and the tray."""

"""Bundles: a model and its data set, prepared with everything that the pages need."""

from ndcore.bundles.bundle import Bundle, list_bundles, load_bundle

__all__ = ["Bundle", "list_bundles", "load_bundle"]

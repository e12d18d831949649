"""Images: where they come from, their ids and splits, and what one pixel of them is."""

from ndcore.data.catalog import open_data, open_source
from ndcore.data.sources import ImageSource

__all__ = ["ImageSource", "open_data", "open_source"]

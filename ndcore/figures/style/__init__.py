"""What figures share: colours, themes, ramps, tiles of pixels and rows of tables."""

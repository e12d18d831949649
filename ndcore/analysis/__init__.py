"""Questions about one pair of images: the story, depth, propagation, causes and the case file."""

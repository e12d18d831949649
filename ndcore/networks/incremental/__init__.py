"""Changes of one pixel, run through a network only where they can be seen."""

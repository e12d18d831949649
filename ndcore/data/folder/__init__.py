"""Image folders: what in them is a class, a part of the data or one image, and what is left out."""

"""Models and images that somebody could bring, for the examples of the README."""

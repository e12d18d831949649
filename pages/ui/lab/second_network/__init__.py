"""The images of a batch in a second network."""

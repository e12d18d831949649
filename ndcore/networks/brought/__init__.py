"""Models and images that people bring: looked at once, and brought into the form of ours."""

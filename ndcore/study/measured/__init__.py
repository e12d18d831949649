"""The images of a study, who attacks them, and what is measured of each, kept piece by piece."""

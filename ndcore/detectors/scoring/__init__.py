"""Every score that the study compares, on features measured once per image."""

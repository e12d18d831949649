"""A concept graph on show: its canvas, what is kept of it, its tables and files."""

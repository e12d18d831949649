"""What frames every page: its header, the link, the pair, jobs, caches and words."""

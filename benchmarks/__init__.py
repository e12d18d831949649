"""What `python -m ndcore bench NAME` runs; ratios are taken within one run."""

"""Where bundles, runs, studies and data sets lie."""

from __future__ import annotations

import os
from pathlib import Path

RUNS = "runs"
ROOT = Path(__file__).resolve().parents[2]  # the folder that holds the package


def cache_dir() -> Path:
    """The folder of bundles and training runs: `$ND_CACHE`, else `cache/` beside the package."""
    named = os.environ.get("ND_CACHE")
    return Path(named) if named else ROOT / "cache"


def run_dir(model: str) -> Path:
    """Where the training run of a model is kept; its name can be typed, so it begins with no dash.

    A run that was kept under a name with a dash in front stays where it is.
    """
    safe = "".join(c if c.isalnum() or c in "-_." else "-" for c in model).strip(".")
    earlier = cache_dir() / RUNS / safe
    return earlier if earlier.is_dir() else cache_dir() / RUNS / safe.lstrip("-.")


def data_dir() -> Path:
    """Where data sets are looked for: `$ND_DATA`, else `.data/` beside the package."""
    named = os.environ.get("ND_DATA")
    return Path(named) if named else ROOT / ".data"


def bundles_dir() -> Path:
    """Folder of all bundles."""
    return cache_dir() / "bundles"


def jobs_dir() -> Path:
    """Where a server keeps the results of its jobs."""
    return cache_dir() / "jobs"


def study_dir(bundle: str) -> Path:
    """Where the pieces of a bundle's study are kept."""
    return cache_dir() / "studies" / bundle

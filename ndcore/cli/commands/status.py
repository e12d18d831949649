"""`status`."""

from __future__ import annotations

import platform
from argparse import ArgumentParser, Namespace
from typing import Any

import ndcore
from ndcore.cli.commands import Answer
from ndcore.settings import Settings, settings
from ndcore.storage.places import cache_dir, data_dir


def add_arguments(_parser: ArgumentParser) -> None:
    pass


def run(_options: Namespace) -> Answer:
    """Versions, device and cache, and what is there to work with."""
    import torch

    from ndcore.bundles.bundle import list_bundles
    from ndcore.cli.text import share
    from ndcore.data.catalog import source_status
    from ndcore.evolution import list_runs
    from ndcore.networks.forward import pick_device

    bundles: list[dict[str, Any]] = [
        {
            "name": info.name,
            "ready": info.ready,
            "problem": info.problem,
            "accuracy": info.manifest.get("accuracy"),
        }
        for info in list_bundles()
    ]
    sources = [vars(row) for row in source_status()]
    runs = list_runs()
    document = {
        "version": ndcore.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "device": str(pick_device()),
        "cache": str(cache_dir()),
        "data": str(data_dir()),
        "settings": vars(settings()),
        "bundles": bundles,
        "sources": sources,
        "runs": runs,
    }
    lines = [f"ndcore {ndcore.__version__}, torch {torch.__version__}, {document['device']}"]
    lines += [
        f"bundle {row['name']}: "
        + (f"ready, accuracy {share(row['accuracy'])}" if row["ready"] else str(row["problem"]))
        for row in bundles
    ] or ["no bundle yet: python -m ndcore build digits-cnn"]
    lines += [
        f"source {row['name']}: "
        + (f"{row['images']} images" if row["ready"] else f"get it with: {row['how']}")
        for row in sources
    ]
    lines.append(f"recorded training runs: {', '.join(runs) or 'none'}")
    lines.append(f"cache {document['cache']}, data {document['data']}; settings of a server:")
    usual = vars(Settings())
    lines += [
        f"  {name} = {value}" + ("" if value == usual[name] else f" (default {usual[name]})")
        for name, value in vars(settings()).items()
    ]
    return document, "\n".join(lines), 0

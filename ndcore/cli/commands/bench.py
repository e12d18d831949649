"""`bench`."""

from __future__ import annotations

import importlib
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

import ndcore
from ndcore.cli.commands import Answer
from ndcore.cli.progress import Progress
from ndcore.cli.shared_options import add_bundle


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "name",
        choices=(
            "attack",
            "certificate",
            "detector",
            "distributions",
            "evolution",
            "explorer",
            "graph",
            "scale",
            "sessions",
            "stop",
            "topology",
        ),
    )
    add_bundle(parser)
    parser.add_argument(
        "--n",
        type=int,
        help="images; explorer, stop: repetitions; sessions: visitors (default: its own)",
    )
    parser.add_argument("--peers", action="store_true", help="attack: also run other libraries")
    parser.add_argument(
        "--data",
        help="CIFAR-10; attack: for the images (default: the samples); evolution: also measure how "
        "close the estimated distances of the bundle's neurons are",
    )
    parser.add_argument(
        "--networks",
        action="store_true",
        help="attack: instead, queries per second on networks of several builds",
    )
    parser.add_argument("--de-queries", type=int, default=4000, help="attack: budget of de")
    parser.add_argument("--picture", metavar="SVG", help="attack: write the query curve here")


def run(options: Namespace) -> Answer:
    """Run one of the benchmarks that lie beside the package."""
    from ndcore.bundles.bundle import load_bundle

    root = str(Path(ndcore.__file__).resolve().parent.parent)
    if root not in sys.path:
        sys.path.insert(0, root)
    place = "attacking.networks" if options.networks else options.name
    measure = importlib.import_module(f"benchmarks.{place}").run
    with Progress() as progress:
        if options.networks:
            return _benched(measure(options.n, on_step=progress.step))
        if options.name == "evolution":
            given = options.bundle, options.data
            return _benched(measure(options.n, *given, on_step=progress.step))
        bundle = load_bundle(options.bundle)
        if options.name == "attack":
            document = measure(
                bundle,
                options.n,
                peers=options.peers,
                data=options.data,
                de_queries=options.de_queries,
                picture=options.picture,
                on_step=progress.step,
            )
        elif options.name in ("explorer", "scale", "sessions", "stop"):
            document = measure(bundle, options.n, on_step=progress.step)
        else:
            document = measure(bundle, options.n)
    return _benched(document)


def _benched(document: dict[str, Any]) -> Answer:
    lines = [f"{document['name']} on {document['machine']}"]
    lines += [
        f"{row['what']}: {row['value']:.4g} {row['unit']}"
        + (f", {row['ratio']:.3f} of {row['against']}" if row["ratio"] is not None else "")
        for row in document["rows"]
    ]
    return document, "\n".join(lines), 0

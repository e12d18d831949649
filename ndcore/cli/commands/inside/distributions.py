"""`distributions`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from ndcore.cli.commands import Answer
from ndcore.cli.shared_options import add_bundle
from ndcore.errors import BadRequestError
from ndcore.storage.atomic import write_bytes


def add_arguments(parser: ArgumentParser) -> None:
    add_bundle(parser)
    parser.add_argument("--layer", required=True)
    parser.add_argument("--reduction", help="mean or max (convolution layers; default max)")
    parser.add_argument("--classes", nargs="+", metavar="CLASS")
    parser.add_argument("--csv", metavar="FILE")


def run(options: Namespace) -> Answer:
    """The counts of every unit and class, and their medians."""
    import numpy as np

    from ndcore.bundles.bundle import load_bundle
    from ndcore.cli.text import histogram_csv

    bundle = load_bundle(options.bundle)
    fits = bundle.reductions(options.layer)
    reduction = options.reduction or fits[-1]
    found = bundle.distributions(options.layer, reduction)
    classes = options.classes or list(bundle.classes)
    rows = [bundle.class_index(name) for name in classes]
    if options.csv:
        try:
            write_bytes(Path(options.csv), histogram_csv(found, rows, classes).encode())
        except OSError as error:
            raise BadRequestError(f"cannot write {options.csv}: {error.strerror}") from error
    document = {
        "bundle": bundle.name,
        "layer": options.layer,
        "reduction": reduction,
        "bins": found.bins,
        "units": [
            {"unit": unit, "lo": float(found.lo[unit]), "hi": float(found.hi[unit])}
            for unit in range(found.units)
        ],
        "classes": [
            {
                "class": name,
                "n": int(found.n[row]),
                "medians": np.round(found.quantiles([0.5], [row])[0, 0].astype(float), 6).tolist(),
                "counts": found.of([row])[0].tolist(),
            }
            for name, row in zip(classes, rows, strict=True)
        ],
    }
    text = f"{options.layer} ({reduction}): {found.units} units, {document['bins']} bins, " + (
        f"written to {options.csv}" if options.csv else "counts with --json or --csv"
    )
    return document, text, 0

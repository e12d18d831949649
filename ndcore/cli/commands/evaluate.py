"""`evaluate`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from ndcore.cli.commands import Answer
from ndcore.cli.shared_options import add_bundle, add_new_data


def add_arguments(parser: ArgumentParser) -> None:
    add_bundle(parser)
    add_new_data(parser)
    parser.add_argument(
        "--split",
        help="reference, dev, calibration, evaluation, test or all "
        "(default: evaluation where the data has it, else all)",
    )


def run(options: Namespace) -> Answer:
    """Accuracy with its interval, over all images and per class."""
    from ndcore.bundles.bundle import load_bundle
    from ndcore.cli.selection import choose_members, default_data, for_bundle
    from ndcore.cli.text import share
    from ndcore.data.catalog import open_data
    from ndcore.networks.forward import evaluate

    bundle = load_bundle(options.bundle)
    data = options.data or default_data(options.bundle)
    source = for_bundle(bundle, open_data(data, bundle.shape))
    split, members = choose_members(bundle, source, options.split)
    found = evaluate(bundle.model, source, members)
    document = {"bundle": bundle.name, "source": source.name, "split": split} | found
    text = f"{bundle.name} on {split}: accuracy {share(found)}, {found['lossless']} lossless"
    return document, text, 0

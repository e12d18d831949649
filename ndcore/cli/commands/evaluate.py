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
        help="reference, dev, calibration, evaluation, val, test or all "
        "(default: evaluation where the data has it, else all)",
    )


def run(options: Namespace) -> Answer:
    """Accuracy with its interval, over all images and per class."""
    from ndcore.bundles.bundle import load_bundle
    from ndcore.bundles.images import open_for
    from ndcore.cli.selection import choose_members, default_data, parts_of
    from ndcore.cli.text import share
    from ndcore.networks.forward import evaluate

    bundle = load_bundle(options.bundle)
    source = open_for(bundle, options.data or default_data(bundle), parts_of(options))
    split, members = choose_members(bundle, source, options.split)
    found = evaluate(bundle.model, source, members)
    document = {
        "bundle": bundle.name,
        "source": source.name,
        "split": split,
        "left_out": list(source.left_out),
    }
    text = f"{bundle.name} on {split}: accuracy {share(found)}, {found['lossless']} lossless"
    return document | found, "\n".join([text, *source.left_out]), 0

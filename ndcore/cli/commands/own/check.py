"""`check`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from ndcore.cli.commands import Answer
from ndcore.cli.shared_options import add_model


def add_arguments(parser: ArgumentParser) -> None:
    add_model(parser)


def run(options: Namespace) -> Answer:
    """Every finding in a sentence; exit status 1 where one of them stops the other commands."""
    from ndcore.bundles.check import check_model
    from ndcore.cli.selection import wishes_of
    from ndcore.networks.registry import model_spec

    spec = model_spec(options.model)
    found, estimate = check_model(spec, options.data or spec.data or None, wishes_of(options))
    lines = [f"{'STOPS: ' if row.stops else ''}{row.sentence}" for row in found]
    if estimate is not None:
        lines.append(estimate.sentence)
    document = {
        "model": spec.name,
        "findings": [vars(row) for row in found],
        "estimate": None if estimate is None else vars(estimate),
    }
    return document, "\n".join(lines), int(any(row.stops for row in found))

"""`layers`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from itertools import groupby
from typing import TYPE_CHECKING

from ndcore.cli.commands import Answer
from ndcore.cli.shared_options import add_model
from ndcore.errors import BadRequestError

if TYPE_CHECKING:
    from torch import nn

LONG = 24  # layers that are listed one by one; more are folded by what they are part of


def add_arguments(parser: ArgumentParser) -> None:
    add_model(parser, or_bundle=True)


def run(options: Namespace) -> Answer:
    """Every layer with its units and positions; `build --layers NAME ...` takes any of them.

    Raises:
        BadRequestError: neither a model nor a bundle was named, or both.
    """
    from ndcore.activations.proposal import LayerRow, layers_of

    if (options.model is None) == (options.bundle is None):
        raise BadRequestError("name a MODEL, or a bundle with --bundle")
    name, model, shape, observed = (_of_bundle if options.bundle else _of_model)(options)
    rows = layers_of(model, shape)

    def line(row: LayerRow) -> str:
        where = f" at {row.positions[0]}x{row.positions[1]}" if row.positions else ""
        told = f"{row.units} units{where}" if row.units else "cannot be observed"
        told += ", observed" if row.name in observed else ""
        why = f": {row.reason}" if row.reason else ""
        return f"{'*' if row.proposed else ' '} {row.name} ({row.kind}), {told}{why}"

    lines = []
    for (group, proposed), part in groupby(rows, lambda row: (row.group, row.proposed)):
        members = list(part)
        folded = not proposed and len(rows) > LONG and len(members) > 1
        folded = folded and not any(row.name in observed for row in members)
        lines += (
            [f"  {group or 'the model'}: {len(members)} more"]
            if folded
            else [line(row) for row in members]
        )
    names = [row.name for row in rows if row.proposed]
    lines.append(f"proposed (*): --layers {' '.join(names)}")
    document = {"model": name, "layers": [vars(row) for row in rows], "observed": list(observed)}
    return document, "\n".join(lines), 0


Opened = tuple[str, "nn.Module", tuple[int, int, int], tuple[str, ...]]


def _of_model(options: Namespace) -> Opened:
    """Name, network, shape of its images, and no layer that is observed yet."""
    from ndcore.bundles.check import opened
    from ndcore.cli.selection import wishes_of
    from ndcore.networks.brought.opening import require_usable
    from ndcore.networks.registry import model_spec

    spec = model_spec(options.model)
    spec, _ = opened(spec, options.data or spec.data or None, wishes_of(options))
    require_usable(spec.findings or ())
    assert spec.shape
    return spec.name, spec.build().eval(), spec.shape, ()


def _of_bundle(options: Namespace) -> Opened:
    from ndcore.bundles.bundle import load_bundle

    bundle = load_bundle(options.bundle)
    return bundle.manifest["model"], bundle.model, bundle.shape, bundle.layers

"""`layers`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from itertools import groupby

from ndcore.cli.commands import Answer
from ndcore.cli.shared_options import add_model

LONG = 24  # layers that are listed one by one; more are folded by what they are part of


def add_arguments(parser: ArgumentParser) -> None:
    add_model(parser)


def run(options: Namespace) -> Answer:
    """Every layer with its units and positions; `build --layers NAME ...` takes any of them."""
    from ndcore.activations.proposal import LayerRow, layers_of
    from ndcore.bundles.check import opened
    from ndcore.cli.selection import wishes_of
    from ndcore.networks.probe import require_usable
    from ndcore.networks.registry import model_spec

    spec = model_spec(options.model)
    spec, _ = opened(spec, options.data or spec.data or None, wishes_of(options))
    require_usable(spec.findings or ())
    assert spec.shape
    rows = layers_of(spec.build().eval(), spec.shape)

    def line(row: LayerRow) -> str:
        where = f" at {row.positions[0]}x{row.positions[1]}" if row.positions else ""
        told = f"{row.units} units{where}" if row.units else "cannot be observed"
        why = f": {row.reason}" if row.reason else ""
        return f"{'*' if row.proposed else ' '} {row.name} ({row.kind}), {told}{why}"

    lines = []
    for (group, proposed), part in groupby(rows, lambda row: (row.group, row.proposed)):
        members = list(part)
        folded = not proposed and len(rows) > LONG and len(members) > 1
        lines += (
            [f"  {group or 'the model'}: {len(members)} more"]
            if folded
            else [line(row) for row in members]
        )
    names = [row.name for row in rows if row.proposed]
    lines.append(f"proposed (*): --layers {' '.join(names)}")
    document = {"model": spec.name, "layers": [vars(row) for row in rows]}
    return document, "\n".join(lines), 0

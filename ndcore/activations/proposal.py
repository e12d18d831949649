"""Which layers of a model are worth observing: every one that can be, and a proposal with reasons.

Proposed are the last output of each resolution (after the activation where there is one), the
hidden units of a transformer's MLPs after their activation, with tokens as positions, and the
dense layers. A network of many blocks gets some of them, evenly spread.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn
from torch.nn.modules import activation, batchnorm

from ndcore.activations.calls import IMAGES, Call, calls_of
from ndcore.activations.capture import unobservable
from ndcore.activations.layer_hooks import CALL, CLASS_TOKEN, Place
from ndcore.activations.layout import Layout, Tokens
from ndcore.errors import BadRequestError
from ndcore.networks.called.stored import Stored
from ndcore.networks.form import HEAD
from ndcore.networks.forward import device_of
from ndcore.networks.registry import layer_names

MOST_HIDDEN, MOST_DENSE = 12, 4
WEIGHTS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d, nn.Linear)
NORMS = (batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm)
NO_ACTIVATIONS = (nn.MultiheadAttention, nn.Softmax, nn.LogSoftmax, nn.Softmax2d, nn.Softmin)
RESOLUTION = "last output at {}x{}"
LAST_HIDDEN = "hidden units of the last MLP at {}x{}, after its activation"
HIDDEN = "hidden units of an MLP after its activation; tokens are positions"
DENSE = "dense layer"
ANSWER = "the answer"
NAMED = "named by the model"
FIRST_TOKEN = "the class token of the last of these"


@dataclass(frozen=True)
class LayerRow:
    """One layer that can be observed, or one that cannot and why.

    Attributes:
        name: see `ndcore.activations.layer_hooks`.
        kind: type of the module.
        units: number of units; 0 where it cannot be observed.
        positions: rows and columns of its map, or () for a dense layer.
        proposed: worth observing.
        reason: why it is proposed, or why it cannot be observed; else "".
        group: what it is part of, to fold long networks by.
    """

    name: str
    kind: str
    units: int
    positions: tuple[int, ...]
    proposed: bool = False
    reason: str = ""
    group: str = ""


@dataclass(frozen=True)
class _Seen:
    """A call that can be observed."""

    call: Call
    row: LayerRow
    order: int

    @property
    def activation(self) -> bool:
        part = self.call.part
        known = type(part).__name__ in activation.__all__
        return known and not isinstance(part, NO_ACTIVATIONS)

    @property
    def weight(self) -> bool:
        return isinstance(self.call.part, WEIGHTS)

    @property
    def block(self) -> bool:
        return not self.call.leaf


def layers_of(model: nn.Module, shape: tuple[int, int, int]) -> list[LayerRow]:
    """Every layer of a model in the order of a pass, with those proposed.

    Args:
        model: keeps the contract.
        shape: (H, W, C) of its images.
    """
    noise = np.random.default_rng(0).random((IMAGES, shape[2], *shape[:2]), np.float32)
    if isinstance(model, Stored):
        noise[:] = 0  # stands for no image
    calls = calls_of(model, torch.from_numpy(noise).to(device_of(model)))
    times = Counter(call.name for call in calls)
    seen, rows = [], []
    for order, call in enumerate(calls):
        several = times[call.name] > 1
        name = f"{call.name}{CALL}{call.number}" if several else call.name
        why = unobservable(Place(call.name, call.number), calls)
        row = _row(name, call, why, (shape[0], shape[1]))
        rows.append(row)
        if why is None:
            seen.append(_Seen(call, row, order))
    chosen = _named(model, seen) or _proposed(seen)
    found = [
        row if (why := chosen.get(row.name)) is None else replace(row, proposed=True, reason=why)
        for row in rows
    ]
    return _with_first_tokens(found, seen, shape) + _silent(model, times)


def proposed_layers(model: nn.Module, shape: tuple[int, int, int]) -> tuple[str, ...]:
    """Names of the layers that `layers_of` proposes, in order.

    Raises:
        BadRequestError: none can be observed.
    """
    names = tuple(row.name for row in layers_of(model, shape) if row.proposed)
    if not names:
        raise BadRequestError("no layer of the model can be observed: it has none with units")
    return names


def _row(name: str, call: Call, why: str | None, size: tuple[int, int]) -> LayerRow:
    kind, group = type(call.part).__name__, name.rpartition(".")[0]
    if why is not None or call.layout is None:
        return LayerRow(name, kind, 0, (), reason=why or "", group=group)
    if call.layout is Layout.VECTOR:
        return LayerRow(name, kind, call.shape[1], (), group=group)
    if call.layout is Layout.TOKENS:
        grid = Tokens.of(call.shape[1], size).grid
        return LayerRow(name, kind, call.shape[2], grid, group=group)
    if call.layout is Layout.SEQUENCE:
        return LayerRow(name, kind, call.shape[1], (1, call.shape[2]), group=group)
    last = call.layout is Layout.MAPS_LAST
    units, sides = (call.shape[3], call.shape[1:3]) if last else (call.shape[1], call.shape[2:])
    return LayerRow(name, kind, units, sides, group=group)


def _named(model: nn.Module, seen: Sequence[_Seen]) -> dict[str, str]:
    if not hasattr(model, "layers"):
        return {}
    known = {entry.row.name for entry in seen} | {entry.call.name for entry in seen}
    return {name: NAMED for name in layer_names(model) if name in known}


def _proposed(seen: Sequence[_Seen]) -> dict[str, str]:
    """Name of a proposed layer -> why."""
    first: dict[int, _Seen] = {}  # of the names of one tensor, the part that made it
    for entry in seen:
        first.setdefault(entry.call.tensor, entry)
    fresh = [entry for entry in seen if first[entry.call.tensor] is entry or entry.call.leaf]
    wide = [entry for entry in fresh if len(entry.row.positions) == 2]
    hidden = _hidden([entry for entry in wide if entry.call.layout is Layout.TOKENS])
    maps = [entry for entry in wide if entry.call.layout is not Layout.TOKENS]
    picked = [(entry, HIDDEN) for entry in hidden]
    for rows, cols in dict.fromkeys(entry.row.positions for entry in maps):
        there = [entry for entry in maps if entry.row.positions == (rows, cols)]
        best = _last_of(there)
        # One number per unit that later scales larger maps is a gate, no map.
        if best is not None and not (rows * cols == 1 and _larger_after(best, maps)):
            hidden_last = best.call.layout is Layout.MAPS_LAST and best.activation
            why = LAST_HIDDEN if hidden_last else RESOLUTION
            picked.append((best, why.format(rows, cols)))
    picked += _dense([entry for entry in fresh if not entry.row.positions])
    picked.sort(key=lambda pair: pair[0].order)
    inside = [entry.call for entry, _ in picked]
    return {_shorter(entry, seen, inside): why for entry, why in picked}


def _larger_after(entry: _Seen, maps: Sequence[_Seen]) -> bool:
    return any(e.order > entry.order and e.row.positions != (1, 1) for e in maps)


def _last_of(there: Sequence[_Seen]) -> _Seen | None:
    """The last activation or block of one resolution; else norm, else convolution."""
    last = [e for e in there if e.call.layout is Layout.MAPS_LAST and e.activation]
    for kind in (
        last,
        [e for e in there if e.activation or e.block],
        [e for e in there if isinstance(e.call.part, NORMS)],
        [e for e in there if e.weight],
    ):
        if kind and (kind[-1].block or any(e.weight for e in there)):
            return kind[-1]
    return None


def _hidden(tokens: Sequence[_Seen]) -> list[_Seen]:
    """Of the MLPs of a transformer, or its widest dense layers where an activation is no module."""
    found = [entry for entry in tokens if entry.activation]
    if not found:
        widest = max((entry.row.units for entry in tokens if entry.weight), default=0)
        found = [entry for entry in tokens if entry.weight and entry.row.units == widest]
    spread = np.linspace(0, len(found) - 1, min(MOST_HIDDEN, len(found))).round().astype(int)
    return [found[i] for i in dict.fromkeys(spread.tolist())]


def _dense(flat: Sequence[_Seen]) -> list[tuple[_Seen, str]]:
    """The last dense layers, after their activation where the next call is one."""
    found: list[tuple[_Seen, str]] = []
    for i, entry in enumerate(flat):
        if not (entry.weight or entry.call.name == HEAD):
            continue
        after = flat[i + 1] if i + 1 < len(flat) else None
        follows = after is not None and after.activation and after.row.units == entry.row.units
        found.append((after if follows and after is not None else entry, DENSE))
    if any(entry.weight for entry, _ in found) or any(e.activation for e, _ in found):
        found = [pair for pair in found if pair[0].call.name != HEAD]
    if found:
        found[-1] = (found[-1][0], ANSWER)
    return found[-MOST_DENSE:]


def _shorter(entry: _Seen, seen: Sequence[_Seen], picked: Sequence[Call]) -> str:
    """The name of the largest block that ends in this very tensor and in no other picked layer."""
    name = entry.row.name
    for other in seen:
        same = other.call.tensor == entry.call.tensor and other.block
        inside = [call for call in picked if f"{call.name}.".startswith(f"{other.call.name}.")]
        if same and inside == [entry.call]:
            name = other.row.name
    return name


def _with_first_tokens(
    rows: list[LayerRow], seen: Sequence[_Seen], shape: tuple[int, int, int]
) -> list[LayerRow]:
    """Rows for class tokens, which lie at no position, after the layers that have them."""
    known = {entry.row.name: entry.call for entry in seen}
    found, last = [], -1
    for row in rows:
        found.append(row)
        call = known.get(row.name)
        if call is None or call.layout is not Layout.TOKENS:
            continue
        if Tokens.of(call.shape[1], (shape[0], shape[1])).lead and row.proposed:
            last = len(found)
            found.append(
                replace(row, name=row.name + CLASS_TOKEN, positions=(), proposed=False, reason="")
            )
    if last >= 0:
        found[last] = replace(found[last], proposed=True, reason=FIRST_TOKEN)
    return found


def _silent(model: nn.Module, times: Counter[str]) -> list[LayerRow]:
    """Parts with weights that are not called in eval mode, such as auxiliary heads."""
    return [
        LayerRow(
            name,
            type(part).__name__,
            0,
            (),
            reason="is not called in eval mode",
            group=name.rpartition(".")[0],
        )
        for name, part in model.named_modules()
        if isinstance(part, WEIGHTS) and not times[name]
    ]

"""What every unit adds to what a unit of the next layer receives, exactly and with its sign.

At the position where the target receives most, c_ij = sum over taps k of w_jik a_i(p + k), with
batch norm folded into the weights w. The c_ij and the bias sum to what the target receives, its
pre-activation. The influence of i on j on an image is c_ij / sum over i of |c_ij|.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ndcore.concept_graph.wiring import Link, Wiring
from ndcore.networks.forward import forward
from ndcore.steps import in_parts

FLOATS = 240_000  # gathered at a time: few calls, buffers that stay in the processor's cache
EXACT = 1e-4  # of the largest sum of |c| of a link: what float32 sums may be off


@dataclass(frozen=True)
class Falls:
    """Where the taps fall that do not fall in the padding.

    Attributes:
        places: int64 (positions, k), places on which taps of each position fall.
        taps: int64 (positions, k), which taps; their number where there are fewer than k.
    """

    places: Tensor
    taps: Tensor

    @classmethod
    def of(cls, places: Tensor, inside: Tensor) -> Falls:
        """Of all taps: int64 and bool (positions, taps)."""
        most = int(inside.sum(1).max())
        taps = torch.argsort((~inside).int(), dim=1, stable=True)[:, :most]
        there = inside.gather(1, taps)
        none = torch.full_like(taps, inside.shape[1])
        return cls(places.gather(1, taps), torch.where(there, taps, none))


@dataclass(frozen=True)
class Received:
    """What came to the weights of a link in one pass, and what of it; overwritten later.

    Attributes:
        rows: float32 (N, places, sources), what lies at every place that a tap can fall on.
        falls: on which of them the taps do.
        most, at: (N, targets), the most that came of it, and the position where.
    """

    rows: Tensor
    falls: Falls
    most: Tensor
    at: Tensor


class Weights:
    """The weights of a link, with batch norm folded in.

    Attributes:
        link: which.
        taps: float32 (targets, taps + 1, sources), the last one all 0.
        bias: float32 (targets,).
        sources, targets: how many units.

    Args:
        model: the network; link: of its wiring; sources: units of the source layer.

    Raises:
        ValueError: what the weights take does not fall evenly on the units.
    """

    def __init__(self, model: nn.Module, link: Link, sources: int) -> None:
        self.link = link
        part = model.get_submodule(link.weights)
        assert isinstance(part, (nn.Conv2d, nn.Linear))
        self._part = part
        weight = part.weight.detach().float()
        none = torch.zeros(len(weight), device=weight.device)
        bias = none if part.bias is None else part.bias.detach().float()
        if link.norm:
            scale, shift = _as_scale(model.get_submodule(link.norm))
            weight = weight * scale.view(-1, *[1] * (weight.ndim - 1))
            bias = bias * scale + shift
        if weight.shape[1] % sources or (weight.ndim == 4 and weight.shape[1] != sources):
            raise ValueError(f"{weight.shape[1]} values of {sources} units")
        taps = weight.reshape(len(weight), sources, -1).transpose(1, 2)
        self.taps = torch.cat([taps, torch.zeros_like(taps[:, :1])], 1)
        self.bias = bias
        self.sources, self.targets = sources, len(weight)
        self._falls: dict[tuple[int, int], Falls] = {}

    def received(self, given: Tensor, put_out: Tensor) -> Received:
        """Of what was given to the weights and what came of it, (N, targets) or with (h, w)."""
        return Received(*self._fallen(given), *peaks(put_out))

    def _fallen(self, given: Tensor) -> tuple[Tensor, Falls]:
        """The rows of what was given, and where the taps fall on them."""
        if isinstance(self._part, nn.Linear):
            rows = given.reshape(len(given), self.sources, -1).transpose(1, 2).contiguous()
            return rows, self._one_position()
        part = self._part
        if self.link.averaged:
            # The mean over all positions is linear too: its taps fall on mean values.
            taps = F.unfold(
                given, part.kernel_size, part.dilation, _padding(part), part.stride
            ).mean(2)
            rows = taps.view(len(given), self.sources, -1).transpose(1, 2).contiguous()
            return rows, self._one_position()
        rows = given.permute(0, 2, 3, 1).flatten(1, 2).contiguous()
        return rows, self._falls_on((given.shape[2], given.shape[3]))

    def _one_position(self) -> Falls:
        places = torch.arange(self.taps.shape[1] - 1, device=self.taps.device)[None]
        return Falls(places, places)

    def _falls_on(self, size: tuple[int, int]) -> Falls:
        """Of the positions on a map."""
        if size not in self._falls:
            part = self._part
            assert isinstance(part, nn.Conv2d)
            axes = []
            for side, kernel, step, spread, beyond in zip(
                size, part.kernel_size, part.stride, part.dilation, _padding(part), strict=True
            ):
                taps = torch.arange(kernel) * spread - beyond
                axes.append(torch.arange(0, side + beyond - int(taps[-1]), step)[:, None] + taps)
            rows, cols = axes[0][:, None, :, None], axes[1][None, :, None, :]
            inside = (rows >= 0) & (rows < size[0]) & (cols >= 0) & (cols < size[1])
            flat, device = (-1, self.taps.shape[1] - 1), self.taps.device
            places = (rows * size[1] + cols) * inside
            self._falls[size] = Falls.of(
                places.reshape(flat).to(device), inside.reshape(flat).to(device)
            )
        return self._falls[size]

    def added(self, found: Received, images: Tensor) -> Iterator[tuple[slice, Tensor]]:
        """What each source adds to each target where that receives most, a few targets at a time.

        Args:
            found: of a batch.
            images: int64 (targets, k), which images of the batch each target is looked at on.

        Yields:
            Which targets, and float32 (these, k, sources).
        """
        every = torch.arange(self.targets, device=images.device)[:, None]
        at = found.at[images, every]
        rows, taps = found.rows.view(-1, self.sources), self.taps.view(-1, self.sources)
        first = images * found.rows.shape[1], every * self.taps.shape[1]
        k = images.shape[1]
        # Where each tap of each target on each image finds what it weighs, and its weights.
        fallen, weights = (
            (where[at] + start[:, :, None]).permute(2, 0, 1).flatten(1)
            for where, start in zip((found.falls.places, found.falls.taps), first, strict=True)
        )
        for part in in_parts(self.targets, max(1, FLOATS // max(1, k * self.sources))):
            span = slice(part.start * k, part.stop * k)
            added = rows.new_zeros(span.stop - span.start, self.sources)
            for places, by in zip(fallen[:, span], weights[:, span], strict=True):
                added.addcmul_(rows.index_select(0, places), taps.index_select(0, by))
            yield part, added.view(-1, k, self.sources)


def peaks(output: Tensor) -> tuple[Tensor, Tensor]:
    """Each unit's largest value and the position where it lies, row by row: (N, units) each.

    Args:
        output: (N, units) or (N, units, h, w).
    """
    if output.ndim == 2:
        return output.clone(), torch.zeros_like(output, dtype=torch.int64)
    # With its places in half the time that `amax` takes where units lie last in memory.
    values, at = F.max_pool2d(output, output.shape[2:], return_indices=True)
    return values.flatten(1), at.flatten(1)


def _padding(part: nn.Conv2d) -> tuple[int, int]:
    """Zeros on each side of the rows and of the columns.

    Raises:
        ValueError: more on one side than on the other.
    """
    if isinstance(part.padding, tuple):
        return part.padding[0], part.padding[1]
    if part.padding == "valid":
        return 0, 0
    whole = [d * (k - 1) for d, k in zip(part.dilation, part.kernel_size, strict=True)]
    if any(side % 2 for side in whole):
        raise ValueError("padding of uneven sides")
    return whole[0] // 2, whole[1] // 2


def _as_scale(norm: nn.Module) -> tuple[Tensor, Tensor]:
    """Batch norm in eval mode as (scale, shift)."""
    assert isinstance(norm, (nn.BatchNorm1d, nn.BatchNorm2d))
    if norm.running_mean is None or norm.running_var is None:
        raise ValueError("batch norm without running statistics")
    scale = (norm.running_var + norm.eps).rsqrt()
    if norm.affine:
        scale = scale * norm.weight.detach()
    shift = -norm.running_mean * scale
    return scale, shift + norm.bias.detach() if norm.affine else shift


See = Callable[[Weights, Received], None]


@contextmanager
def receiving(model: nn.Module, weights: Sequence[Weights], see: See) -> Iterator[None]:
    """Show `see` what every link receives, link by link, in passes of the calling thread."""
    owner = threading.get_ident()
    given: dict[str, Tensor] = {}

    def before(each: Weights, _part: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if threading.get_ident() == owner:
            given[each.link.weights] = inputs[0]

    def after(each: Weights, _part: nn.Module, _inputs: object, output: Tensor) -> None:
        if threading.get_ident() == owner:
            see(each, each.received(given.pop(each.link.weights), output))

    with ExitStack() as hooks:
        for each in weights:
            part = model.get_submodule(each.link.weights)
            hooks.callback(part.register_forward_pre_hook(partial(before, each)).remove)
            part = model.get_submodule(each.link.received)
            hooks.callback(part.register_forward_hook(partial(after, each)).remove)
        yield


def exact_weights(
    model: nn.Module, wiring: Wiring, units: Mapping[str, int], images: Tensor
) -> tuple[list[Weights], tuple[str, ...]]:
    """The weights of all links whose contributions sum to what was received, tried on images.

    Args:
        model: in eval mode.
        wiring: of the model.
        units: layer -> number of its units.
        images: float32 (N, C, H, W), a few.

    Returns:
        The weights, and the sentences on layers without a link.
    """
    made, gaps, wrong = [], list(wiring.gaps), set()
    for link in wiring.links:
        try:
            made.append(Weights(model, link, units[link.source]))
        except ValueError as why:
            gaps.append(f"no edges are drawn from {link.source} to {link.target}: {why}")

    def see(each: Weights, found: Received) -> None:
        values, at = found.most, found.at
        if at.max() >= len(found.falls.places) or at.shape[1] != units[each.link.target]:
            wrong.add(each.link)
            return
        for part, added in _on_all(each, found):
            summed = added.sum(2) + each.bias[part, None]
            scale = max(1.0, float(added.abs().sum(2).max()))
            off = summed - values[:, part].T
            if not float(off.abs().max()) <= EXACT * scale:
                wrong.add(each.link)

    with receiving(model, made, see):
        forward(model, images)
    gaps += [
        f"no edges are drawn from {link.source} to {link.target}: what the units add does not sum "
        "to what is received"
        for link in wiring.links
        if link in wrong
    ]
    return [each for each in made if each.link not in wrong], tuple(gaps)


def _on_all(weights: Weights, found: Received) -> Iterator[tuple[slice, Tensor]]:
    images = torch.arange(len(found.rows), device=found.rows.device)
    return weights.added(found, images.expand(weights.targets, -1))


def contributions(
    model: nn.Module, weights: Sequence[Weights], images: Tensor
) -> dict[Link, tuple[Tensor, Tensor]]:
    """Exact contributions on a few images.

    Args:
        model: in eval mode.
        weights: of its links.
        images: float32 (N, C, H, W).

    Returns:
        link -> (what each source adds, float32 (N, targets, sources); what is received, float32
        (N, targets)). The first summed over sources, and the bias, is the second.
    """
    kept: dict[Link, tuple[Tensor, Tensor]] = {}

    def see(each: Weights, found: Received) -> None:
        parts = [added for _, added in _on_all(each, found)]
        kept[each.link] = torch.cat(parts).transpose(0, 1), found.most

    with receiving(model, weights, see):
        forward(model, images)
    return kept

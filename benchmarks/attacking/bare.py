"""The yardstick: bare forward passes of whole images, in every way that may be the fastest."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence

import torch
from torch import nn
from torch.fx.experimental.optimization import fuse

# What is timed, and how many images it takes.
Ways = dict[str, tuple[Callable[[], object], int]]


def bare_ways(model: nn.Module, shape: Sequence[int], batches: Sequence[int], least: int) -> Ways:
    """Every bare float32 forward pass: layout, batch norm folded or not, batch size; warmed up.

    Args:
        model: in eval mode.
        shape: (H, W, C) of the images.
        batches: images in a pass.
        least: images in one look, about.
    """
    height, width, channels = shape
    ways: Ways = {}
    # `fuse` is torch's own folding, so that the yardstick shares no code with the evaluator.
    for folding, folded in (("", model), (", batch norm folded", fuse(model))):
        for layout, memory in (
            ("NCHW", torch.contiguous_format),
            ("channels_last", torch.channels_last),
        ):
            # With weights in the layout of the images, or each pass would convert them again.
            laid = copy.deepcopy(folded).to(memory_format=memory)
            for batch in batches:
                images = torch.rand(batch, channels, height, width).contiguous(memory_format=memory)

                def work(
                    model: nn.Module = laid,
                    images: torch.Tensor = images,
                    times: int = max(1, least // batch),
                ) -> None:
                    with torch.inference_mode():
                        for _ in range(times):
                            model(images)

                name = f"float32 {layout}{folding}, batch {batch}"
                ways[name] = work, batch * max(1, least // batch)
    for warm_up, _ in ways.values():
        warm_up()
    return ways


def rate(work: Callable[[], object], count: int) -> float:
    """Of one run, per second."""
    started = time.perf_counter()
    work()
    return count / (time.perf_counter() - started)


def fastest(ways: Ways, looks: int, best: int) -> list[str]:
    """The names of the `best` of them, by the best of several looks.

    One look on a busy machine may drop the fastest and so flatter what is compared with it.
    """
    quick = dict.fromkeys(ways, 0.0)
    for _ in range(looks):
        for name, (work, count) in ways.items():
            quick[name] = max(quick[name], rate(work, count))
    return sorted(quick, key=lambda name: -quick[name])[:best]

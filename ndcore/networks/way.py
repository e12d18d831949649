"""One way to compute logits: a dtype, on windows of a changed pixel where they can be used."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ndcore.networks.forward import laid_out, to_images
from ndcore.networks.incremental.graph import graph_of
from ndcore.networks.incremental.small_maps import with_matrices
from ndcore.networks.incremental.windows import Incremental

LARGEST = {"cpu": 256, "cuda": 2048}  # candidates in one pass; more gains nothing
FEW = 64  # the same for a way that only confirms
WHOLE = {"cpu": 64, "cuda": 2048}  # whole images in one pass
SLOTS = {"cpu": 16, "cuda": 64}  # images whose maps are kept


class Way:
    """One way to compute: a model in one dtype, on windows where it can.

    Args:
        model: the graph to run.
        shape: (H, W, C).
        device: of the model.
        own: the weights are this way's own, to be laid out and reshaped for speed.
    """

    def __init__(
        self, model: nn.Module, shape: Sequence[int], device: torch.device, *, own: bool
    ) -> None:
        weight = next(model.parameters(), torch.zeros(1))
        self.dtype, self.device = weight.dtype, device
        kind = device.type if device.type in LARGEST else "cpu"
        self.largest, slots = LARGEST[kind] if own else FEW, SLOTS[kind]
        self.most_whole = min(self.largest, WHOLE[kind])
        self.model: Callable[[Tensor], Any] = laid_out(model) if own else model
        self.windows: Incremental | None = None
        self._kept: OrderedDict[bytes, int] = OrderedDict()
        self._slots = slots
        steps = graph_of(model, shape, device, self.dtype)
        if steps is not None:
            if own:
                steps = with_matrices(steps)
            windows = Incremental(steps, slots, device, self.dtype)
            self.windows = windows if windows.useful else None
            # Not the graph, which holds the weights that steps made into others.
            self.model = windows.whole

    @torch.inference_mode()
    def whole(self, images: NDArray[np.uint8]) -> Tensor:
        """Logits of whole images (n, H, W, C)."""
        batch = to_images(images).to(self.device, self.dtype)
        found = self.model(batch.contiguous(memory_format=torch.channels_last))
        assert isinstance(found, Tensor)
        return found.float()

    def slot(self, base: NDArray[np.uint8]) -> int:
        """Where the maps of an image are kept; the image used longest ago makes room."""
        assert self.windows is not None
        key = base.tobytes()
        if key not in self._kept:
            if len(self._kept) >= self._slots:
                self._kept.popitem(last=False)
            # A stop may leave a slot half written; it then belongs to no image.
            free = min(set(range(self._slots)) - set(self._kept.values()))
            self.windows.prepare(free, to_images(base[None]))
            self._kept[key] = free
        self._kept.move_to_end(key)
        return self._kept[key]


def fast_bfloat16(device: torch.device) -> bool:
    """Whether the processor multiplies bfloat16 matrices faster than float32 ones."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    told = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return bool(told.get("avx512_bf16") or told.get("amx_bf16") or told.get("bf16"))

"""Weights on disk and their hash."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from ndcore.errors import BundleError
from ndcore.networks.called.function import Called
from ndcore.networks.called.stored import Stored
from ndcore.storage.atomic import write_bytes

STAMP = "code_stamp"
SAVED = (".pth", ".pt", ".bin")
PARTS = ("state_dict", "model_state_dict", "model", "net", "weights")
# What DataParallel, torch.compile and we ourselves put before every name.
WRAPPERS = ("module.", "_orig_mod.", "model.")
PRECISE = 2**-10  # of a tensor's largest value: what float16 may cost


def stamp(model: nn.Module, answer: Sequence[float]) -> nn.Module:
    """Let an own model's hash also tell what its code makes of its weights, or what file it is.

    Args:
        model: any module.
        answer: its logits of made-up images, as they were when first asked for.
    """
    files = [
        part.digest
        for part in model.modules()
        if isinstance(part, (Called, Stored)) and part.digest
    ]
    setattr(model, STAMP, " ".join([*files, *(f"{value:.3g}" for value in answer)]))
    return model


def weight_hash(model: nn.Module) -> str:
    """SHA-256 (hex) over names, shapes and float32 bytes of all weights, in name order.

    Of a model with a `stamp` over that as well.
    """
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        values = np.ascontiguousarray(tensor.detach().cpu().numpy())
        digest.update(f"{name}{values.shape}{values.dtype}".encode())
        digest.update(values.tobytes())
    digest.update(getattr(model, STAMP, "").encode())
    return digest.hexdigest()


def rounded(tensor: Tensor) -> Tensor:
    """As float16, or as it is where that would lose more than float16 does by its nature.

    Values over 65,504 would become infinite there, very small ones zero.
    """
    if not tensor.is_floating_point() or not tensor.numel():
        return tensor
    half = tensor.half()
    lost = (half.to(tensor.dtype) - tensor).abs().max()
    return half if bool(lost <= PRECISE * tensor.abs().max()) else tensor


def round_weights(model: nn.Module) -> tuple[float, list[str]]:
    """Round a model's weights, in place, to what `save_weights` writes in half.

    Returns:
        The largest change of a weight, as a share of the largest of its tensor; and the names of
        the tensors that are kept in float32 because float16 cannot hold them.
    """
    change, kept = 0.0, []
    held = model.state_dict()
    halves = {name: rounded(tensor) for name, tensor in held.items()}
    for name, tensor in held.items():
        if not tensor.is_floating_point() or not tensor.numel():
            continue
        half = halves[name]
        if half.dtype != torch.float16:
            kept.append(name)
        elif largest := float(tensor.abs().max()):
            change = max(change, float((half.to(tensor.dtype) - tensor).abs().max()) / largest)
    model.load_state_dict({name: half.to(held[name].dtype) for name, half in halves.items()})
    return change, kept


def save_weights(path: Path, tensors: dict[str, Tensor], *, half: bool = False) -> None:
    """Write tensors as safetensors, atomically.

    Args:
        path: target file.
        tensors: name -> tensor.
        half: store floating tensors as float16 where they fit (`rounded`); only call it on weights
            already rounded to it.
    """
    kept: dict[str, Tensor] = {}
    places: set[int] = set()
    for name, tensor in tensors.items():
        values = (rounded(tensor) if half else tensor).detach().cpu().contiguous()
        # The file format has no two names for one weight.
        kept[name] = values.clone() if values.data_ptr() in places else values
        places.add(kept[name].data_ptr())
    write_bytes(path, save(kept))


def _saved(path: Path) -> dict[str, Tensor]:
    """The tensors of a file of `torch.save`, at its top or in the one part that holds them."""
    try:
        held = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever its reader raises on what is more than tensors
        raise BundleError(
            f"weights file {path} holds more than tensors: save model.state_dict() alone"
        ) from error
    for part in (held, *(held[name] for name in PARTS if isinstance(held, dict) and name in held)):
        if isinstance(part, dict) and part and all(isinstance(v, Tensor) for v in part.values()):
            return dict(part)
    raise BundleError(f"weights file {path} holds no state dict of a model")


def _as_named(tensors: dict[str, Tensor], expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors under the names that the model has, where a prefix is all that differs."""
    if tensors.keys() == expected.keys():
        return tensors
    for ours in ("", *WRAPPERS):
        for theirs in ("", *WRAPPERS):
            if all(name.startswith(theirs) for name in tensors):
                named = {ours + name.removeprefix(theirs): t for name, t in tensors.items()}
                if named.keys() == expected.keys():
                    return named
    return tensors


def load_weights(model: nn.Module, path: Path) -> nn.Module:
    """Load weights into `model` (in place, float32) and put it in eval mode.

    Args:
        model: any module.
        path: safetensors, or a state dict of `torch.save` (.pth, .pt, .bin), of which nothing but
            tensors is read. Names may begin as wrappers make them begin.

    Raises:
        BundleError: the file is missing, unreadable, or of another architecture.
    """
    if not os.path.isfile(path):
        raise BundleError(f"weights file {path} is missing")
    expected = model.state_dict()
    if path.suffix.lower() in SAVED:
        tensors = _as_named(_saved(path), expected)
    else:
        try:
            tensors = _as_named(load_file(path), expected)
        except (SafetensorError, OSError, ValueError) as error:
            raise BundleError(f"weights file {path} is not a readable safetensors file") from error
    wrong = [
        name
        for name in sorted(expected.keys() | tensors.keys())
        if name not in expected
        or name not in tensors
        or expected[name].shape != tensors[name].shape
    ]
    if wrong:
        raise BundleError(
            f"weights file {path} belongs to another model: tensor '{wrong[0]}' does not match"
        )
    model.load_state_dict(
        {name: tensor.to(expected[name].dtype) for name, tensor in tensors.items()}
    )
    return model.eval()

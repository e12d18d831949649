"""Modules from where people keep them: a function in a file, a TorchScript or an exported file."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import threading
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ndcore.errors import BadRequestError

SCRIPTS = (".pt", ".ts", ".torchscript")
EXPORTS = (".pt2",)
TENSORS_ALONE = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"  # read by `torch.load`
_LOCK = threading.Lock()


class _OneMode(nn.Module):
    """An exported program, which refuses to be asked for another mode than its own."""

    def __init__(self, program: nn.Module) -> None:
        super().__init__()
        self.program = program

    def forward(self, images: Tensor) -> Any:
        """Whatever the program answers."""
        return self.program(images)

    def train(self, mode: bool = True) -> _OneMode:
        """Noted, and nothing else."""
        self.training = mode
        return self


def factory_of(name: str) -> Callable[[], nn.Module]:
    """What makes the module that `name` stands for.

    Args:
        name: `package.module:factory`, `path/to/file.py:factory`, or a file of `torch.jit.save`
            (.pt) or `torch.export.save` (.pt2).

    Raises:
        BadRequestError: there is no such thing.
    """
    suffix = Path(name).suffix.lower()
    if suffix not in (*SCRIPTS, *EXPORTS):
        return _imported(name)
    if not os.path.isfile(name):
        raise BadRequestError(f"model file '{name}' does not exist")
    return partial(_exported if suffix in EXPORTS else _scripted, name)


def brings_weights(make: Callable[[], nn.Module]) -> bool:
    """Whether a factory gives the same weights each time, as one that loads them does."""
    found = []
    for seed in (1, 2):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            found.append(make().state_dict())
    first, second = found
    return first.keys() == second.keys() and all(
        torch.equal(tensor, second[name]) for name, tensor in first.items()
    )


def _scripted(name: str) -> nn.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # still what many have
            module: nn.Module = torch.jit.load(name, map_location="cpu")  # type: ignore[no-untyped-call]
    except (RuntimeError, ValueError) as error:
        raise BadRequestError(
            f"'{name}' is no TorchScript file; weights alone go to --weights, beside a factory as "
            "--model file.py:function"
        ) from error
    return module


def _exported(name: str) -> nn.Module:
    try:
        with _tensors_alone():
            return _OneMode(torch.export.load(name).module())
    except Exception as error:  # whatever its many readers raise
        raise BadRequestError(f"'{name}' is no file of torch.export.save") from error


@contextmanager
def _tensors_alone() -> Iterator[None]:
    """`torch.load` takes nothing but tensors, even where `torch.export` would unpickle the rest."""
    with _LOCK:
        before = os.environ.get(TENSORS_ALONE)
        os.environ[TENSORS_ALONE] = "1"
        try:
            yield
        finally:
            os.environ.pop(TENSORS_ALONE)
            if before is not None:
                os.environ[TENSORS_ALONE] = before


def _imported(name: str) -> Callable[[], nn.Module]:
    place, _, attribute = name.rpartition(":")
    known = place
    try:
        if place.endswith(".py"):
            path = Path(place).resolve()
            # Known to Python under a name of its own, which dataclasses in it ask for.
            known = f"{path.stem}_{zlib.crc32(str(path).encode()):08x}"
            spec = importlib.util.spec_from_file_location(known, place)
            if spec is None or spec.loader is None:
                raise ImportError(f"cannot load {place}")
            module = importlib.util.module_from_spec(spec)
            # Last, so that modules beside it are found and none of Python's is hidden.
            sys.path.append(str(path.parent))
            sys.modules[known] = module
            spec.loader.exec_module(module)
        else:
            module = importlib.import_module(place)
        factory: Any = getattr(module, attribute)
    except Exception as error:
        told = str(error).replace(known, Path(place).name)
        raise BadRequestError(f"cannot import model factory '{name}': {told}") from error
    return partial(_made, name, factory)


def _made(name: str, factory: Callable[[], nn.Module]) -> nn.Module:
    try:
        model = factory()
    except Exception as error:
        raise BadRequestError(f"model factory '{name}' failed: {error}") from error
    if not isinstance(model, nn.Module):
        raise BadRequestError(f"model factory '{name}' returned no torch.nn.Module")
    return model

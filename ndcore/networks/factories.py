"""Modules from where people keep them: a function in a file, or a file that is a whole network.

What can be called without an argument is called, and returns a `torch.nn.Module` or a function of
images; what needs one argument is such a function (`ndcore.networks.called.function`).
"""

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
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from ndcore.data.stored.file import SUFFIX as STORED
from ndcore.errors import BadRequestError
from ndcore.networks.called.function import Called, takes
from ndcore.networks.called.onnx import SUFFIX as ONNX
from ndcore.networks.called.onnx import onnx_model
from ndcore.networks.called.stored import stored_model

SCRIPTS = (".pt", ".ts", ".torchscript")
EXPORTS = (".pt2",)
WHOLE = (*SCRIPTS, *EXPORTS, ONNX, STORED)  # files that are networks by themselves
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
        name: `package.module:function`, `path/to/file.py:function`, or a file of `torch.jit.save`
            (.pt), of `torch.export.save` (.pt2), of ONNX (.onnx) or of stored activations (.npz).

    Raises:
        BadRequestError: there is no such thing.
    """
    suffix = Path(name).suffix.lower()
    if suffix not in WHOLE:
        return _imported(name)
    if not os.path.isfile(name):
        raise BadRequestError(f"model file '{name}' does not exist")
    if suffix in (ONNX, STORED):
        return partial(onnx_model if suffix == ONNX else stored_model, name)
    return partial(_exported if suffix in EXPORTS else _scripted, name)


class Origin(Enum):
    """Where the weights of a module come from."""

    BROUGHT = "loaded, or set to numbers that nothing draws"
    SEEDED = "drawn at random, the same each time"
    DRAWN = "drawn at random, others each time"


def made(make: Callable[[], nn.Module]) -> tuple[nn.Module, Origin]:
    """A module of a factory, and where its weights come from; made two or three times to see that.

    What numpy draws by a seed is not seen.
    """
    module = _made(make, 1)
    weights = _weights_of(module)
    with _OtherNumbers():  # type: ignore[no-untyped-call]
        other = _weights_of(_made(make, 2))
    if _same(weights, other):
        return module, Origin.BROUGHT
    again = _same(weights, _weights_of(_made(make, 2)))
    return module, Origin.SEEDED if again else Origin.DRAWN


def _made(make: Callable[[], nn.Module], seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()


def _weights_of(module: nn.Module) -> dict[str, Tensor]:
    held = module.state_dict().items()
    return {name: value for name, value in held if isinstance(value, Tensor)}


def _same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(
        torch.equal(tensor, second[name]) for name, tensor in first.items()
    )


class _OtherNumbers(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Every random draw gives other numbers than its seed says."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if torch.Tag.nondeterministic_seeded in func.tags:
            torch.rand(1, generator=kwargs.get("generator"))
        return func(*args, **kwargs)


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
        named: Any = getattr(module, attribute)
    except Exception as error:
        told = str(error).replace(known, Path(place).name)
        raise BadRequestError(f"cannot import model factory '{name}': {told}") from error
    return _Made(name, named)


class _Made:
    """What a name in a file stands for, made anew each time; a function of images is made once."""

    def __init__(self, name: str, named: Any) -> None:
        self._name, self._named = name, named
        self._called: Called | None = None

    def __call__(self) -> nn.Module:
        if self._called is None:
            made = self._make()
            if isinstance(made, nn.Module):
                return made
            self._called = Called(made, self._name)
        return self._called

    def _make(self) -> Any:
        name, named = self._name, self._named
        if isinstance(named, nn.Module):
            raise BadRequestError(f"'{name}' is a module itself: name a function that returns it")
        if not takes(named, 0):
            if takes(named, 1):
                return named
            raise BadRequestError(
                f"'{name}' is neither a function without arguments that returns a torch.nn.Module "
                "nor one that takes images alone and returns probabilities"
            )
        try:
            made = named()
        except Exception as error:
            raise BadRequestError(f"model factory '{name}' failed: {error}") from error
        if isinstance(made, nn.Module) or (callable(made) and takes(made, 1)):
            return made
        raise BadRequestError(
            f"model factory '{name}' returned no torch.nn.Module, nor a function of images; one "
            "that takes images itself needs them as its argument"
        )
